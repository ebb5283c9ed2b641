"""What every form of source gives: slices of a place, and of a slice its samples and its broken records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lapis.types import Sample


@dataclass(frozen=True, slots=True)
class Origin:
    """What a recipe says of a source, and every sample of it keeps."""

    name: str
    kind: str
    """Kind of its samples, where the form does not tell (`prose`, `caption`, `chat`, `screen/ground`)."""
    licence: str
    """SPDX identifier, where the form does not tell."""
    lang: str = ""
    """BCP 47, where it is known; empty leaves it to the language step."""
    columns: tuple[tuple[str, str], ...] = ()
    """What a form's fields are called here: (`text`, `body`), (`licence`, `license`)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a source that is read, kept and resumed on its own: a file, or a range of its rows or members."""

    path: Path
    first: int = 0
    last: int | None = None
    """None is the end."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that is none: where it stands, and why."""

    place: str
    """File and line, row or member."""
    reason: str
    """One of a form's few reasons, such as `bad JSON`, without anything of the record's own."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of source: how a place is cut into slices, and how a slice is read, in order."""

    name: str
    slices: Callable[[Path], list[Slice]]
    read: Callable[[Slice, Origin], Iterator[Sample | Broken]]
