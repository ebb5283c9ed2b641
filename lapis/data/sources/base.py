"""What every form of source gives: slices of a place, and of a slice its samples and its broken records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapis.types import Sample, Text, Turn


@dataclass(frozen=True, slots=True)
class Origin:
    """What a recipe says of a source, and every sample of it keeps."""

    name: str
    kind: str
    """Kind of its samples, where the form does not tell; empty takes what each record is (types.TOLD)."""
    licence: str
    """SPDX identifier, where the form does not tell."""
    lang: str = ""
    """BCP 47, where it is known; empty leaves it to the language step."""
    columns: tuple[tuple[str, str], ...] = ()
    """What a form's fields are called here: (`text`, `body`), (`licence`, `license`)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a source that is read, kept and resumed on its own: a file, a range of its rows or members, or some
    files of a folder."""

    path: Path
    first: int = 0
    last: int | None = None
    """None is the end."""
    root: Path = Path()
    """Folder of the source: places are told from it, and nothing is read that lies outside."""
    names: tuple[str, ...] = ()
    """Of a folder the files that belong to the slice; none where `path` is a file."""

    @property
    def files(self) -> list[Path]:
        """All that it is made of."""
        return [self.path / name for name in self.names] or [self.path]

    @property
    def name(self) -> str:
        """The file as places tell it."""
        below = self.path.is_relative_to(self.root)
        name = self.path.relative_to(self.root).as_posix() if below else self.path.name
        return name.encode(errors="replace").decode()


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that is none: where it stands, and why."""

    place: str
    """File and line, row or member."""
    reason: str
    """One of a form's few reasons, such as `bad JSON`, without anything of the record's own."""


class Bad(Exception):
    """Says inside a reader that a record is none; `reason` is a Broken's."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Form:
    """A form of source: how a place is cut into slices, and how a slice is read, in order."""

    name: str
    slices: Callable[[Path], list[Slice]]
    read: Callable[[Slice, Origin], Iterator[Sample | Broken]]
    """Lazy, in bounded memory; never raises for what a file holds, and writes nothing."""
    named: bool = True
    """Whether records have fields, whose names a source's `columns` may change."""
    beside: Callable[[Path], Sequence[Path]] = lambda path: ()
    """Other files, there or not, that decide what of a slice's file is read."""


def document(origin: Origin, place: str, text: str, licence: str = "", lang: str = "", **meta: str) -> Sample:
    """A document, its own licence and language before the origin's. Raises Bad for a text or a licence that is none."""
    turn = Turn("assistant", (Text(clean(text)),))
    return sample(origin, place, (turn,), licence=licence, lang=lang, document=True, meta=meta)


def sample(
    origin: Origin, place: str, turns: tuple[Turn, ...], licence: str = "", lang: str = "", **fields: Any
) -> Sample:
    """A sample that tells where it comes from and what it may be used for. Raises Bad where no licence is known.

    Where the origin has no kind, a document is prose, and what is none is a chat.
    """
    licence = licence or origin.licence
    if not licence:
        raise Bad("no licence")
    fields = {"kind": origin.kind or ("prose" if fields.get("document") else "chat"), **fields}
    return Sample(lang=lang or origin.lang, source=f"{origin.name} {place}", licence=licence, turns=turns, **fields)


def clean(text: Any) -> str:
    """A text that can be kept as it is. Raises Bad for what is no text, or holds half a character or a null byte."""
    if not isinstance(text, str):
        raise Bad("no text" if text is None else "wrong type")
    if "\0" in text:
        raise Bad("null byte")
    if not text.strip():
        raise Bad("no text")
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise Bad("lone surrogate") from None
    return text


def decoded(data: bytes) -> str:
    """UTF-8 text, or UTF-16 that says so. Raises Bad for every other encoding."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16") if marked else data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Bad("not UTF-8") from None


def tried(place: str, make: Callable[[], Sample]) -> Sample | Broken:
    """What `make` gives, or why it gives nothing."""
    try:
        return make()
    except Bad as bad:
        return Broken(place, bad.reason)
