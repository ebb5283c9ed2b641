"""A record of named fields, whatever file it stood in: what its fields are called, its pictures, text or caption.

`Origin.columns` says what they are called where it is not as usual; `meta.lang` is the field `lang` of the field
`meta`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from lapis.data.sources import pictures
from lapis.data.sources.base import Bad, Broken, Origin, Slice, clean, sample
from lapis.data.sources.captions import ASKED
from lapis.data.sources.lines import LONGEST
from lapis.data.sources.places import bundled, named
from lapis.data.sources.prose import language
from lapis.data.sources.unpack import whole
from lapis.types import Image, Sample, Text, Turn

USUAL = {
    "text": ("text", "content", "raw_content"),
    "turns": ("messages", "conversations"),
    "image": (
        "image", "images", "img_filename", "img_url", "image_path", "file_name", "jpg", "jpeg", "png", "webp",
    ),
    "caption": ("caption", "text", "txt"),
    "instruction": ("instruction",),
    "box": ("bbox",),
    "elements": ("elements", "element"),
    "licence": ("licence", "license"),
    "lang": ("lang", "language"),
    "url": ("url",),
}  # fmt: skip
"""Our name of a field to what it is called in files, the first that is there."""
_LANG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
Opener = Callable[[str], bytes]
"""Bytes of the picture that a record names; raises Bad."""


@dataclass(frozen=True, slots=True)
class Record:
    """Fields of one record and where it stands."""

    fields: Mapping[str, Any]
    place: str
    origin: Origin
    open: Opener

    def get(self, name: str) -> Any:
        """A field by our name; None where there is none."""
        for key in names_of(self.origin.columns)[name]:
            found = self.fields.get(key) if key in self.fields or "." not in key else _within(self.fields, key)
            if found is not None and found != "":
                return found
        return None

    def licence(self) -> str:
        """Its own licence, or nothing. Raises Bad for what is no text."""
        found = self.get("licence")
        if isinstance(found, list) and found:
            return " AND ".join(clean(one).strip() for one in found)
        return "" if found in (None, "", []) else clean(found).strip()

    def lang(self) -> str:
        """Its own BCP 47 language, or nothing."""
        found = self.get("lang")
        return found if isinstance(found, str) and _LANG.fullmatch(found) else ""

    def meta(self) -> dict[str, str]:
        """Its address, where it has one."""
        found = self.get("url")
        return {"url": clean(found)} if isinstance(found, str) and found else {}

    def sample(self, turns: tuple[Turn, ...], lang: str = "", **more: Any) -> Sample:
        """A sample with all that travels; `lang` where the reader knows it. Raises Bad."""
        more["meta"] = {**self.meta(), **more.get("meta", {})}
        return sample(self.origin, self.place, turns, self.licence(), lang or self.lang(), **more)

    def images(self) -> list[Image]:
        """Its pictures in order. Raises Bad where one is none."""
        found = self.get("image")
        each = found if isinstance(found, list) else [] if found is None else [found]
        return [self.image(one) for one in each]

    def image(self, value: Any) -> Image:
        """A picture that is there, or given as bytes, a name, a data URI or {bytes, path}. Raises Bad."""
        if isinstance(value, Image):
            return value
        if isinstance(value, Mapping):
            return self.image(value.get("bytes") or value.get("path"))
        if isinstance(value, bytes):
            return pictures.picture(value)
        if not isinstance(value, str):
            raise Bad("wrong type")
        if pictures.is_url(value):
            return pictures.of_url(value)
        return pictures.picture(self.open(value), value)


@dataclass(frozen=True, slots=True)
class Way:
    """How the records of a slice become samples."""

    origin: Origin
    open: Opener
    make: Callable[[Record], Iterator[Sample | Broken]]

    def samples(self, fields: Any, place: str) -> Iterator[Sample | Broken]:
        """What a record gives: nearly always one sample or one Broken."""
        try:
            if not isinstance(fields, Mapping):
                raise Bad("wrong type")
            yield from self.make(Record(fields, place, self.origin, self.open))
        except Bad as bad:
            yield Broken(place, bad.reason)


def _within(fields: Mapping[str, Any], key: str) -> Any:
    """`meta.lang`: the field `lang` of the field `meta`."""
    head, dot, rest = key.partition(".")
    inner = fields.get(head)
    if not dot:
        return inner
    return _within(inner, rest) if isinstance(inner, Mapping) else None


@cache
def names_of(columns: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, ...]]:
    """Our name of each field to what it may be called where the columns are named so."""
    return USUAL | {name: (key,) for name, key in columns}


def document(record: Record) -> Sample:
    """A text to continue. Raises Bad."""
    return record.sample((Turn("assistant", (Text(clean(record.get("text"))),)),), document=True)


def captions(record: Record) -> Iterator[Sample]:
    """A picture and what it shows, asked for in the caption's language. Raises Bad."""
    images, text = record.images(), record.get("caption")
    if text is None:
        raise Bad("no caption")
    if len(images) != 1:
        raise Bad("not one picture" if images else "no picture")
    asked = ASKED[language(clean(text))]
    question = asked[sum(images[0].data[-64:]) % len(asked)]
    turns = (Turn("user", (images[0], Text(question))), Turn("assistant", (Text(text),)))
    yield record.sample(turns, kind=record.origin.kind or "caption", meta={"answer": text})


def beside(part: Slice, folders: tuple[str, ...] = ("",)) -> Opener:
    """Opens the pictures that a file names: they lie beside it, or in `folders` there or in the source's folder."""
    bases = dict.fromkeys((part.path.parent, part.path.parent.parent, part.root))
    homes = [base / folder for base in bases if base.is_relative_to(part.root) for folder in folders]
    return lambda name: content(named(name, homes, part.root))


def content(path: Path) -> bytes:
    """Bytes of a file that is no larger than a record may be. Raises Bad."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError:
        raise Bad("cannot be read") from None
    if len(data) > LONGEST:
        raise Bad("too long")
    return data


def documents(part: Slice, origin: Origin, told: Callable[[bytes], Mapping[str, Any]]) -> Iterator[Sample | Broken]:
    """A document of every file of a bundle: `told` gives its fields, by our names, of its bytes, or raises Bad."""
    way = Way(replace(origin, columns=()), no_pictures, lambda record: iter((document(record),)))
    for file in bundled(part):
        try:
            fields = told(whole(file, LONGEST))
        except Bad as bad:
            yield Broken(file.name, bad.reason)
        else:
            yield from way.samples(fields, file.name)


def no_pictures(name: str) -> bytes:
    """Opens nothing."""
    raise Bad("no such file")


def wanted(names: Iterable[str], origin: Origin) -> list[str]:
    """Those of a table's columns that a sample may need."""
    keys = {key for usual in names_of(origin.columns).values() for key in usual}
    return [name for name in names if name in keys or any(key.startswith(f"{name}.") for key in keys)]
