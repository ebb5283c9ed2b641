"""Building llama.cpp: flags from the CPU, sources that are refused, one build at a time, what failed in one line."""

from __future__ import annotations

import json
import os
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from lapis import cli, native
from lapis.types import InputError

XEON = (
    "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma f16c bmi2 avx512f avx512cd avx512vl avx512dq avx512bw "
    "avx512_vnni avx512_bf16 amx_tile amx_int8 amx_bf16\n"
)
CMAKE = """#!{python}
import pathlib, sys
words, place = sys.argv[1:], pathlib.Path({place!r})
with (place / "calls").open("a") as file:
    print(" ".join(words), file=file)
if (place / "fail").exists() and words[0] == "--build":
    print("ggml.c:1: error: no such thing")
    sys.exit(1)
if words[0] == "--build":
    print("[1/4] one", flush=True)
    if (place / "wait").exists():
        (place / "wait").read_text()
    binaries = pathlib.Path(words[1]) / "bin"
    binaries.mkdir(parents=True)
    for name in {programs!r}:
        (binaries / name).write_text("built")
    print("[4/4] all")
"""


class Notes:
    """Progress that is remembered."""

    def __init__(self) -> None:
        self.steps = 0
        self.notes: list[str] = []
        self.begun, self.waits = threading.Event(), threading.Event()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps
        self.notes.append(note)
        if "waiting" in note:
            self.waits.set()
        if "compile" in note:
            self.begun.set()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Just enough of llama.cpp."""
    folder = tmp_path / "llama.cpp"
    (folder / "ggml").mkdir(parents=True)
    (folder / "ggml" / "CMakeLists.txt").touch()
    (folder / "LICENSE").write_text("MIT")
    return folder


@pytest.fixture
def cmake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cmake that compiles nothing; the folder where it writes its calls."""
    program = tmp_path / "cmake"
    program.write_text(CMAKE.format(python=sys.executable, place=str(tmp_path), programs=native.PROGRAMS))
    program.chmod(0o700)
    monkeypatch.setattr(native.Tools, "found", lambda: native.Tools(str(program), None))
    return tmp_path


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines()


def test_flags_say_what_the_cpu_has_and_never_amx(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(XEON)
    flags = native.build_flags(tmp_path / "cpuinfo", "x86_64")
    on = {name for name, value in flags.items() if value == "ON"}
    assert {"GGML_AVX2", "GGML_AVX512", "GGML_AVX512_VNNI", "GGML_AVX512_BF16"} <= on
    assert flags["GGML_NATIVE"] == flags["GGML_AVX512_VBMI"] == flags["LLAMA_BUILD_UI"] == "OFF"
    assert not any("AMX" in name for name in flags)


def test_parts_of_avx512_are_left_without_the_whole(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(XEON.replace("avx512bw ", ""))
    flags = native.build_flags(tmp_path / "cpuinfo", "x86_64")
    assert {value for name, value in flags.items() if "AVX512" in name} == {"OFF"}
    assert native.build_flags(tmp_path / "none", "x86_64")["GGML_AVX"] == "OFF"
    assert native.build_flags(tmp_path / "none", "arm64")["GGML_NATIVE"] == "ON"


@pytest.mark.parametrize(("line", "share"), [("[12/48] Building C", 25), ("[ 34%] Building", 34), ("-- Found", 0)])
def test_progress_is_read_from_ninja_and_make(line: str, share: int) -> None:
    assert native.percent(line) == share


def test_a_build_is_kept_and_found(cmake: Path, source: Path) -> None:
    progress, cache = Notes(), cmake / "cache"
    folder = native.build(source, 3, progress, cache)
    assert progress.steps == 100
    assert native.build(source, 3, Notes(), cache) == folder == native.newest(cache)
    configured, built = calls(cmake)
    assert "-DGGML_NATIVE=" in configured and "-DLLAMA_CURL=OFF" in configured
    assert built.endswith(f"-j 3 --target {' '.join(native.PROGRAMS)}")
    assert native.find("llama-server", cache).read_text() == "built" and (folder / "LICENSE").is_file()
    assert {path.name for path in cache.iterdir()} == {folder.name, f"{folder.name}.lock"}


def test_another_source_is_another_build_and_the_newest_is_taken(cmake: Path, source: Path) -> None:
    cache = cmake / "cache"
    first = native.build(source, 1, None, cache)
    (source / "new.c").touch()
    second = native.build(source, 1, None, cache)
    assert first != second and native.newest(cache) == second
    record = second / native.RECORD
    record.write_text(json.dumps(json.loads(record.read_text()) | {"flags": {"GGML_AVX": "another CPU's"}}))
    assert native.newest(cache) == first


def test_two_builds_at_once_compile_once(cmake: Path, source: Path) -> None:
    os.mkfifo(cmake / "wait")
    cache, building, waiting, found = cmake / "cache", Notes(), Notes(), list[Path]()
    first = threading.Thread(target=lambda: found.append(native.build(source, 1, building, cache)))
    first.start()
    assert building.begun.wait(60)
    second = threading.Thread(target=lambda: found.append(native.build(source, 1, waiting, cache)))
    second.start()
    assert waiting.waits.wait(60)
    (cmake / "wait").write_text("go on")
    first.join()
    second.join()
    assert found[0] == found[1] and len(calls(cmake)) == 2


def test_a_compiler_that_fails_is_told_by_its_last_lines_and_goes_on_next_time(cmake: Path, source: Path) -> None:
    cache = cmake / "cache"
    (cmake / "fail").touch()
    with pytest.raises(InputError, match=r"could not be built \(ggml.c:1: error: no such thing\)"):
        native.build(source, 1, None, cache)
    assert native.newest(cache) is None
    (cmake / "fail").unlink()
    assert (native.build(source, 1, None, cache) / "bin" / "llama-server").is_file()


def test_sources_that_are_none_are_refused(cmake: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "empty", "empty")
    for name, word in (("empty", "holds no llama.cpp"), ("other.tar.gz", native.SHA256), ("nothing", "is not there")):
        with pytest.raises(InputError, match=word):
            native.build(tmp_path / name, 1, None, tmp_path / "cache")


def test_an_archive_is_unpacked_without_the_rest(cmake: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    archive = cmake / "package.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, f"package-1/{native.INNER}")
        tar.add(source, "package-1/other")
    monkeypatch.setattr(native, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    assert (native.build(archive, 1, None, cmake / "cache") / "LICENSE").read_text() == "MIT"
    assert "source" in calls(cmake)[0]


@pytest.mark.parametrize(
    ("missing", "word"), [("cmake", "pip install cmake ninja"), ("c++", r"C\+\+ compiler"), ("ninja", "nor make")]
)
def test_a_missing_tool_is_named(missing: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"c++": ("c++", "g++", "clang++"), "ninja": ("ninja", "make")}.get(missing, (missing,))
    monkeypatch.setattr(native, "_program", lambda name: None if name in gone else f"/bin/{name}")
    with pytest.raises(InputError, match=word):
        native.Tools.found()


def test_pip_is_asked_for_the_source_alone(cmake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        returncode, stderr = 1, "looking\nno such version"

    asked: list[list[str]] = []
    monkeypatch.setattr(native.subprocess, "run", lambda words, **how: asked.append(words) or Done())
    with pytest.raises(InputError, match=r"could not fetch its source \(no such version\); source=FILE"):
        native.build(None, 1, None, cmake / "cache")
    assert asked[0][1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--no-binary", f"{native.PACKAGE}=={native.VERSION}"} <= {*asked[0]}


@pytest.mark.parametrize("word", ["jobs=0", "jobs=two", "sources=here", "source="])
def test_wrong_words_are_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "llamacpp", word]) == 2
    assert capsys.readouterr().err.startswith("lapis: ")


def test_export_takes_formats_for_gguf_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "pocket", "--to", "hf", "--formats", "f16"]) == 2
    assert "expected --to gguf" in capsys.readouterr().err
