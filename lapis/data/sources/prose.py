"""English and Chinese prose that a fresh machine can get: Python's own documentation, and documentation packages.

A document is a run of whole paragraphs of one file, 200 to 4000 characters. Licence and version stand in each sample.
Unusual: where there is no apt there is no Chinese prose; nothing is made up in its place, and the counts say so.
"""

from __future__ import annotations

import ast
import gzip
import platform
import re
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from pydoc_data import topics

from lapis.data.sources.markup import read_docstring, read_manual, read_page
from lapis.data.sources.packages import Package
from lapis.types import InputError, Sample, Text, Turn

SHORTEST, LONGEST = 200, 4000
"""Characters of a document."""
FILES = 100
"""Files of a job."""
_HAN = re.compile(r"[\u3400-\u9fff]")
_UNTAUGHT = ("test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "turtledemo", "ensurepip")
_FOREIGN = re.compile(r"/(html|help)/(?!zh[-_]C[Nn]/|en-US/|C/|zh-cn/)[a-z]{2,3}([-_@][A-Za-z]+)?/")
_MANUAL = re.compile(r"\.[1-8][a-z]*\.gz$")


def han_share(text: str) -> float:
    """Share of Chinese characters among the characters that are no space."""
    solid = re.sub(r"\s", "", text)
    return len(_HAN.findall(solid)) / max(len(solid), 1)


def language(text: str) -> str:
    """zh where a fifth of the characters is Chinese (technical text mixes), else en."""
    return "zh" if han_share(text) >= 0.2 else "en"


def documents(paragraphs: Iterable[str]) -> Iterator[str]:
    """Whole paragraphs joined into documents of 200 to 4000 characters; a longer paragraph is cut at a sentence."""
    return (text for text in _joined(paragraphs) if len(text) >= SHORTEST)


def _joined(paragraphs: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for paragraph in (piece for whole in paragraphs for piece in _pieces(whole)):
        if size + len(paragraph) > LONGEST:
            yield "\n".join(held)
            held, size = [], 0
        held.append(paragraph)
        size += len(paragraph) + 1
    yield "\n".join(held)


def _pieces(paragraph: str) -> Iterator[str]:
    while len(paragraph) >= LONGEST:
        ends = [paragraph.rfind(mark, 0, LONGEST - 1) for mark in (". ", "。", "! ", "? ")]
        at = max(ends) + 1 if max(ends) >= LONGEST // 2 else LONGEST - 1
        yield paragraph[:at].strip()
        paragraph = paragraph[at:].strip()
    yield paragraph


@dataclass(frozen=True, slots=True)
class Job:
    """Files of one origin that are parsed together."""

    origin: str
    """Name and version, before the file's name in a sample's source."""
    licence: str
    root: Path
    paths: tuple[Path, ...]


def topics_prose() -> Iterator[Sample]:
    """The language reference's topics, as Python ships them for `help()`."""
    for name, text in sorted(topics.topics.items()):
        source = f"python {platform.python_version()} pydoc_data.topics {name}"
        yield from _samples(read_docstring(text), source, "PSF-2.0")


def python_jobs() -> list[Job]:
    """Docstrings of the standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name not in _UNTAUGHT]
    files = [*root.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    kept = sorted(path for path in files if not set(path.relative_to(root).parts) & set(_UNTAUGHT))
    return _jobs(f"python {platform.python_version()}", "PSF-2.0", root, kept)


def package_jobs(package: Package) -> list[Job]:
    """Pages and manuals of a package."""
    return _jobs(f"{package.name} {package.version}", package.licence, package.root, package_files(package))


def parse(jobs: Sequence[Job], workers: int) -> Iterator[Sample]:
    """Documents of every job, in order; parsed in `workers` processes. Closing it early drops the other jobs."""
    if workers == 1:
        yield from (sample for job in jobs for sample in _parse(job))
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        for samples in pool.map(_parse, jobs):
            yield from samples
    finally:
        pool.shutdown(cancel_futures=True)


def _docstrings(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    named = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, named))
    return [paragraph for text in texts if text for paragraph in read_docstring(text)]


def package_files(package: Package) -> list[Path]:
    """Pages and manuals of a package in English or Chinese, each once, in order."""
    files = (path for path in package.root.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if _wanted(f"/{path.relative_to(package.root)}"))


def _wanted(path: str) -> bool:
    if _FOREIGN.search(path) or "/zh-TW/" in path or "/zh_TW/" in path or "/zh_HK/" in path:
        return False
    docbook = "/help/" in path and path.endswith(".xml")
    return docbook or path.endswith((".html", ".page")) or bool(_MANUAL.search(path))


def _jobs(origin: str, licence: str, root: Path, paths: Sequence[Path]) -> list[Job]:
    parts = (paths[at : at + FILES] for at in range(0, len(paths), FILES))
    return [Job(origin, licence, root, tuple(part)) for part in parts]


def _parse(job: Job) -> list[Sample]:
    made: list[Sample] = []
    for path in job.paths:
        made += _samples(_paragraphs(path), f"{job.origin} {path.relative_to(job.root)}", job.licence)
    return made


def _paragraphs(path: Path) -> list[str]:
    if path.suffix == ".py":
        return _docstrings(path)
    if path.suffix == ".gz":
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        return read_manual(text)
    return read_page(path.read_text(encoding="utf-8", errors="replace")).paragraphs


def folder_prose(folder: Path) -> Iterator[Sample]:
    """Documents of a user's own folder of `.txt` and `.md` files. Raises InputError like `folder_texts`."""
    for path, text in folder_texts(folder):
        yield from _samples(read_docstring(text), str(path.relative_to(folder)), "the user's own")


def folder_texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each `.txt` and `.md` file below a folder with its text.

    Raises InputError naming a folder without such files, and an empty or non-UTF-8 file.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".txt", ".md")) if folder.is_dir() else []
    if not paths:
        raise InputError(f"{folder}: no .txt or .md files there")
    for path in paths:
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 (byte {error.start}), expected a UTF-8 text file") from None
        if not text.strip():
            raise InputError(f"{path}: empty, expected text")
        yield path, text


def _samples(paragraphs: Iterable[str], source: str, licence: str) -> list[Sample]:
    return [
        Sample("prose", language(text), source, licence, (Turn("assistant", (Text(text),)),), document=True)
        for text in documents(paragraphs)
    ]
