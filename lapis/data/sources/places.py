"""Which files a source has, and which of the names in its files may be followed: only those that stay inside it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from lapis.data.sources.base import Bad, Slice
from lapis.types import InputError

BUNDLE = 4096
"""Most small files of a slice."""


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
    """The files below a folder that end so, folder by folder, up to BUNDLE of them a slice; or the one file itself.

    Raises InputError where there are none.
    """
    found = files(place, endings)
    if place.is_file():
        return found
    sizes = Counter(part.path.parent for part in found)
    return [
        Slice(folder, first, min(first + BUNDLE, size), place)
        for folder, size in sorted(sizes.items())
        for first in range(0, size, BUNDLE)
    ]


def bundled(part: Slice, endings: Iterable[str]) -> Iterator[Slice]:
    """The files of a slice of `bundles`, each a slice."""
    if part.path.is_file():
        yield part
        return
    ends = tuple(endings)
    listed = sorted(name for name in _names(part.path) if name.lower().endswith(ends))
    yield from (Slice(part.path / name, root=part.root) for name in listed[part.first : part.last])


def packs(*endings: str) -> tuple[str, ...]:
    """Endings, and the same packed."""
    return tuple(ending + pack for pack in ("", ".gz", ".zst") for ending in endings)


def _below(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _names(folder: Path) -> list[str]:
    """What a folder holds beside folders, hidden ones left out."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not entry.name.startswith(".") and not entry.is_dir()]


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
