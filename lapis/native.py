"""llama.cpp's programs: their source fetched, built for this machine's CPU, and found again.

Unusual: nothing is guessed by the compiler. `-march=native` takes AMX where a CPU has it, and llama.cpp's AMX code
crashes with every quantised model, so the flags say what /proc/cpuinfo shows, AMX never. The source is the one that
llama-cpp-python's source package holds, which pip fetches and nothing here installs. Builds lie outside the clone, a
folder for each source and set of flags; one that was cut goes on where it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lapis import config, files
from lapis.said import last_line
from lapis.types import InputError, Progress, Silent

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
"""Of the source package, as published."""
INNER = "vendor/llama.cpp"
"""Where llama.cpp lies in it."""
PROGRAMS = ("llama-server", "llama-mtmd-cli", "llama-quantize", "llama-perplexity")
CACHE = Path.home() / ".cache" / "lapis" / "llamacpp"
MINUTES = 7.0
"""Of one core, for all of it."""
RECORD = "build.json"
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
    "LLAMA_CURL": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "MTMD_VIDEO": "OFF",
}
FEATURES: Mapping[str, tuple[str, ...]] = {
    "GGML_SSE42": ("sse4_2",),
    "GGML_AVX": ("avx",),
    "GGML_AVX2": ("avx2",),
    "GGML_FMA": ("fma",),
    "GGML_F16C": ("f16c",),
    "GGML_BMI2": ("bmi2",),
    "GGML_AVX512": ("avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"),
    "GGML_AVX512_VBMI": ("avx512vbmi",),
    "GGML_AVX512_VNNI": ("avx512_vnni",),
    "GGML_AVX512_BF16": ("avx512_bf16",),
}
"""An option of the build, and what /proc/cpuinfo must show for it. The later AVX512 ones need AVX512 itself."""
STEP = re.compile(r"^\[\s*(\d+)(?:/(\d+)|%)\]")
"""How ninja ([12/345]) and make ([ 34%]) say how far they are."""


@dataclass(frozen=True, slots=True)
class Source:
    """An unpacked llama.cpp, or an archive that holds it, with a sum that names it."""

    path: Path
    digest: str


def find(program: str, cache: Path = CACHE) -> Path:
    """A built program: of the builds for this CPU the newest. Raises InputError where there is none."""
    found = newest(cache)
    if found is None:
        raise InputError(f"{program}: not built on this machine; `lapis build llamacpp` builds it")
    return found / "bin" / program


def newest(cache: Path = CACHE) -> Path | None:
    """The folder of the newest build with this machine's flags."""
    flags = build_flags()
    records = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in cache.glob(f"*/{RECORD}")}
    fitting = {folder: record["built"] for folder, record in records.items() if record["flags"] == flags}
    return max(fitting, key=lambda folder: fitting[folder], default=None)


def model_words(shape: config.Model | config.Decoder) -> list[str]:
    """What llama.cpp's programs must be told of a model because they do not read it from its files: YaRN's bounds
    where they are not 32 and 1, and how many tokens a tile is where its own bounds (64 to 256) would resize it."""
    decoder, words = config.decoder_of(shape), list[str]()
    if decoder.yarn is not None and (decoder.yarn.beta_fast, decoder.yarn.beta_slow) != (32, 1):
        words += ["--yarn-beta-fast", f"{decoder.yarn.beta_fast:g}", "--yarn-beta-slow", f"{decoder.yarn.beta_slow:g}"]
    if isinstance(shape, config.Model) and not 64 <= shape.tokens_per_tile <= 256:
        count = str(shape.tokens_per_tile)
        words += ["--image-min-tokens", count, "--image-max-tokens", count]
    return words


def build_flags(cpuinfo: Path = Path("/proc/cpuinfo"), machine: str = platform.machine()) -> dict[str, str]:
    """Options of the build. Off x86 the compiler's own choice is right, and there is no AMX."""
    if machine not in ("x86_64", "AMD64", "i686"):
        return OPTIONS | {"GGML_NATIVE": "ON"}
    shown = _cpu_features(cpuinfo)
    has = {option: shown.issuperset(names) for option, names in FEATURES.items()}
    wide = has["GGML_AVX512"]
    on = {option: value and (wide or not option.startswith("GGML_AVX512")) for option, value in has.items()}
    return OPTIONS | {"GGML_NATIVE": "OFF"} | {option: "ON" if value else "OFF" for option, value in on.items()}


def _cpu_features(cpuinfo: Path) -> set[str]:
    """What the first processor has; nothing where the system tells nothing."""
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    found = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def build(
    source: Path | None = None, jobs: int | None = None, progress: Progress | None = None, cache: Path = CACHE
) -> Path:
    """Build llama.cpp and return the build's folder (`bin/` has the programs); one that is there already stays.

    `source` is an unpacked llama.cpp (or source package), or the source package's archive, which must be the one that
    was tested; None fetches that. `progress` advances to 100. Raises InputError for missing tools, a wrong archive, or
    a compiler that fails.
    """
    progress = progress or Silent()
    tools, flags = Tools.found(), build_flags()
    given = None if source is None else _source(source)
    folder = cache / _key(given.digest if given else SHA256, flags)
    with _locked(folder.with_suffix(".lock"), progress), tempfile.TemporaryDirectory() as scratch:
        if not (folder / RECORD).is_file():
            progress.advance(0, "source")
            _make(
                tools, given or _source(_fetched(Path(scratch))), flags, folder, jobs or os.cpu_count() or 1, progress
            )
    return folder


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs that build."""

    cmake: str
    ninja: str | None

    @classmethod
    def found(cls) -> Tools:
        """Those on the path, or in this Python's environment. Raises InputError for a missing one."""
        cmake = _program("cmake")
        if cmake is None:
            raise InputError("cmake: not found; install it, for instance by `pip install cmake ninja`")
        for kind, names in (("C", ("cc", "gcc", "clang")), ("C++", ("c++", "g++", "clang++"))):
            if not any(map(_program, names)):
                raise InputError(f"{kind} compiler: not found ({', '.join(names)}); install one, as of build-essential")
        ninja = _program("ninja")
        if ninja is None and _program("make") is None:
            raise InputError("ninja: not found, nor make; install one, for instance by `pip install ninja`")
        return cls(cmake, ninja)


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _key(digest: str, flags: Mapping[str, str]) -> str:
    said = json.dumps([digest, flags, PROGRAMS], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _source(source: Path) -> Source:
    """What is to be built, checked. Raises InputError for what it is not."""
    if source.is_dir():
        inner = source / INNER if (source / INNER).is_dir() else source
        if not (inner / "ggml" / "CMakeLists.txt").is_file():
            raise InputError(f"source: {source} holds no llama.cpp (no ggml/CMakeLists.txt)")
        return Source(inner.absolute(), _sum_of_tree(inner))
    if not source.is_file():
        raise InputError(f"source: {source} is not there; expected a folder or {PACKAGE}'s source archive")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise InputError(f"source: {source.name} has SHA-256 {digest}, expected {SHA256} ({PACKAGE} {VERSION})")
    return Source(source, digest)


def _fetched(scratch: Path) -> Path:
    """The source package through pip, which looks where its own settings say."""
    words = ["download", "--no-deps", "--no-binary", PACKAGE, "--dest", str(scratch), f"{PACKAGE}=={VERSION}"]
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
    found = sorted(scratch.glob("*.tar.gz"))
    if done.returncode or not found:
        why = last_line(done.stderr, "no archive came")
        raise InputError(f"{PACKAGE} {VERSION}: pip could not fetch its source ({why}); source=FILE takes it from disk")
    return found[0]


def _sum_of_tree(folder: Path) -> str:
    """SHA-256 over names and contents of all files but git's."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        if ".git" not in name.parts:
            digest.update(f"\0{name.as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """One build of a folder at a time; the lock ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.advance(0, "another process builds it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(tools: Tools, source: Source, flags: Mapping[str, str], folder: Path, jobs: int, progress: Progress) -> None:
    """Compile beside `folder`, then rename; what a cut build has compiled is used again."""
    work = folder.with_suffix(".work")
    began = time.time()
    with files.room(work):
        tree = source.path if source.path.is_dir() else _unpacked(source.path, work)
        _compile(tools, tree, flags, work / "build", jobs, progress)
        part = folder.with_suffix(".tmp")
        shutil.rmtree(part, ignore_errors=True)
        (part / "bin").mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy2(work / "build" / "bin" / program, part / "bin" / program)
        shutil.copy2(tree / "LICENSE", part / "LICENSE")
        record = {"source": source.digest, "flags": flags, "built": time.time(), "seconds": time.time() - began}
        files.write_json(part / RECORD, record)
        os.replace(part, folder)
    shutil.rmtree(work)


def _unpacked(archive: Path, work: Path) -> Path:
    """llama.cpp out of the source package, whole or not at all."""
    tree = work / "source"
    if tree.is_dir():
        return tree
    part = work / "source.tmp"
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(archive) as tar:
        wanted = [member for member in tar.getmembers() if f"/{INNER}/" in member.name]
        tar.extractall(part, wanted, filter="data")
    os.replace(next(part.glob(f"*/{INNER}")), tree)
    shutil.rmtree(part)
    return tree


def _compile(tools: Tools, tree: Path, flags: Mapping[str, str], place: Path, jobs: int, progress: Progress) -> None:
    progress.advance(0, "configure")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools.ninja}"] if tools.ninja else ["-G", "Unix Makefiles"]
    given = [f"-D{name}={value}" for name, value in flags.items()]
    _run([tools.cmake, "-S", str(tree), "-B", str(place), *generator, *given], Silent())
    _run([tools.cmake, "--build", str(place), "-j", str(jobs), "--target", *PROGRAMS], progress)


def _run(words: Sequence[str], progress: Progress) -> None:
    """A program whose lines tell how far it is. Raises InputError with its last lines where it fails."""
    done, last = 0, [""]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = [*last[-5:], line.strip()]
                share = percent(line)
                if share > done:
                    progress.advance(share - done, "compile")
                    done = share
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise InputError(f"llama.cpp: could not be built ({' / '.join(filter(None, last))})")


def percent(line: str) -> int:
    """How far a line of ninja or make says that it is, 0 to 100; 0 where it says nothing."""
    found = STEP.match(line)
    if not found:
        return 0
    return int(found[1]) * 100 // int(found[2]) if found[2] else int(found[1])
