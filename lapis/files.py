"""Files that are whole or not there: written beside, then renamed; a full disk is one line that names the file."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lapis.types import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, quota or file limit that has no room left."""


def is_full(error: BaseException) -> bool:
    """Whether an error is one of FULL; Arrow's have no number."""
    return isinstance(error, OSError) and (error.errno in FULL or "No space left" in str(error))


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model in the stock form."""
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def is_program(folder: Path) -> bool:
    """Whether a folder holds a whole program for ExecuTorch; program.json is written last."""
    return (folder / "program.json").is_file() and (folder / "model.pte").is_file()


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Turn a full disk into InputError that names `path`."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        why = error.strerror or "No space left on device"
        raise InputError(f"{path}: could not be written, no room left on the disk ({why})") from None


@contextmanager
def beside(path: Path, mark: str = "") -> Iterator[Path]:
    """A file beside `path` to write to: renamed at the end, removed after an error. Its folder is made.

    `mark` keeps processes apart that may write the same file. Raises InputError where the disk is full.
    """
    part = path.with_name(f"{path.name}{mark}.tmp")
    try:
        with room(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def placed(out: Path, replaceable: Callable[[Path], bool], *faults: type[Exception]) -> Iterator[Path]:
    """A folder to fill, which takes the place of `out` at the end; nothing is left of it after an error.

    Raises InputError where `out` is something that `replaceable` does not know, and for OSError and `faults` inside.
    """
    out = out.resolve()
    if out.exists() and not (out.is_dir() and (replaceable(out) or not any(out.iterdir()))):
        raise InputError(f"{out}: holds something else, so it is not replaced; expected a new or empty folder")
    new, old = (out.with_name(f".{out.name}.lapis-{mark}") for mark in ("new", "old"))
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        yield new
        if out.exists():
            os.replace(out, old)
        os.replace(new, out)
        shutil.rmtree(old, ignore_errors=True)
    except Exception as error:
        if not isinstance(error, (OSError, *faults)):
            raise
        raise InputError(f"{out}: could not be written ({error})") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a folder where there is one, renamed first: a kill in the middle leaves none that is half there."""
    gone = folder.with_name(f".gone-{folder.name}")
    shutil.rmtree(gone, ignore_errors=True)
    if folder.is_dir():
        os.replace(folder, gone)
        shutil.rmtree(gone)


def write(path: Path, text: str) -> None:
    """UTF-8 text. Raises InputError where the disk is full."""
    with beside(path) as part:
        part.write_text(text, encoding="utf-8")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file of JSON lines; none without a file. One that a kill cut short is left out."""
    if not path.is_file():
        return
    with path.open("rb") as file:  # as bytes: the kill may have cut a character
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def append(path: Path, *values: Mapping[str, Any]) -> None:
    """More JSON lines at a file's end, in one write. Raises InputError where the disk is full."""
    with room(path), path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


def write_json(path: Path, value: Any) -> None:
    """JSON. Raises InputError where the disk is full."""
    write(path, json.dumps(value, ensure_ascii=False, indent=1))
