"""Which files a source has, and which of the names in its files may be followed: only those that stay inside it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from lapis.data.sources.base import Bad, Slice
from lapis.types import InputError

BUNDLE = 8
"""Small files of a slice, on average; at most four times as many."""


def files(place: Path, endings: Iterable[str]) -> list[Slice]:
    """The files below a folder that end so, in order, or the one file itself, each a slice.

    Hidden files and linked folders are left out. Raises InputError where there are none.
    """
    if place.is_file():
        kept = place.resolve().is_relative_to(_home(place.parent))
        path = place if kept else place.resolve()
        return [Slice(path, root=path.parent)]
    ends = tuple(endings)
    found = sorted(path for path in _below(place) if path.name.lower().endswith(ends))
    if not found:
        raise InputError(f"{place}: no files there that end in {', '.join(ends)}")
    return [Slice(path, root=place) for path in found]


def bundles(place: Path, endings: Iterable[str]) -> list[Slice]:
    """The files below a folder that end so, some of one folder a slice; or the one file itself.

    Files of one name but for its ending stay together. A slice ends at files that their own name picks, so that a file
    more changes the slice that it comes to, and no other. Raises InputError where there are none.
    """
    found = files(place, endings)
    if place.is_file():
        return found
    found.sort(key=lambda part: (part.path.parent, part.path.stem, part.path.name))
    return [
        Slice(folder, root=place, names=names)
        for folder, below in groupby(found, lambda part: part.path.parent)
        for names in _bundled(part.path for part in below)
    ]


def _bundled(paths: Iterable[Path]) -> Iterator[tuple[str, ...]]:
    """Names of each slice's files."""
    names: list[str] = []
    for stem, same in groupby(paths, lambda path: path.stem):
        names += [path.name for path in same]
        if len(names) >= 4 * BUNDLE or zlib.crc32(os.fsencode(stem)) % BUNDLE == 0:
            yield tuple(names)
            names = []
    if names:
        yield tuple(names)


def bundled(part: Slice) -> Iterator[Slice]:
    """The files of a slice of `bundles`, each a slice."""
    yield from (Slice(path, root=part.root) for path in part.files)


def packs(*endings: str) -> tuple[str, ...]:
    """Endings, and the same packed."""
    return tuple(ending + pack for pack in ("", ".gz", ".zst") for ending in endings)


def _below(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def inside(path: Path, root: Path) -> Path:
    """The file that a path leads to. Raises Bad where it leaves the source, or is no file that can be read."""
    try:
        real = path.resolve()
        if not real.is_relative_to(_home(root)):
            raise Bad("path leads outside")
        if not real.is_file():
            raise Bad("no such file")
    except (OSError, ValueError, RuntimeError):
        raise Bad("no such file") from None
    return real


def _home(root: Path) -> Path:
    """What a source's links may lead to: its folder, or of a hub's cache, whose files are links, the repository's."""
    real = root.resolve()
    for folder in real.parents:
        if folder.name == "snapshots" and (folder.parent / "blobs").is_dir():
            return folder.parent
    return real


def named(name: str, folders: Iterable[Path], root: Path) -> Path:
    """The file that a record names, from the first of `folders` that has it.

    Raises Bad for a name that is absolute, climbs, or leads outside `root` by a link, and where there is no such file.
    """
    climbs(name)
    for folder in folders:
        path = folder / name
        try:
            if path.is_file():
                return inside(path, root)
        except (OSError, ValueError):
            break
    raise Bad("no such file")


def climbs(name: str) -> None:
    """Raises Bad for a name that is absolute or goes up, on any system."""
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or ":" in parts[0] or parts[0] == "" or ".." in parts:
        raise Bad("path leads outside")
