"""Webdataset tars (.tar, plain or packed): members of one name (`0001.jpg`, `0001.txt`, `0001.json`) are a record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lapis.data.sources import lines, records, tars, unpack
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, decoded
from lapis.data.sources.pictures import ENDINGS as PICTURES
from lapis.data.sources.pictures import picture
from lapis.data.sources.places import files, inside, packs
from lapis.data.sources.samples import samples
from lapis.types import Image, Sample

ENDINGS = (*packs(".tar"), ".tgz")
MEMBERS = 4096
"""Members of a slice."""
_TEXTS = ("txt", "text", "caption", "md")


def slices(place: Path) -> list[Slice]:
    """Some thousand members each, where the tar is not packed; `first` and `last` are bytes."""
    return [part for whole in files(place, ENDINGS) for part in _cut(whole)]


def _cut(whole: Slice) -> list[Slice]:
    try:
        inside(whole.path, whole.root)
        if unpack.packed(whole.path):
            return [whole]
        stat = whole.path.stat()
    except (Bad, OSError):  # whoever reads the slice meets it again, and says so
        return [whole]
    cuts = _cuts(whole.path, MEMBERS, stat.st_size, stat.st_mtime_ns)
    return [replace(whole, first=low, last=high) for low, high in zip((0, *cuts), (*cuts, None), strict=True)]


@cache
def _cuts(path: Path, most: int, size: int, time: int) -> tuple[int, ...]:
    """Where a tar of that size and time is cut; a build asks more than once, and a walk over all headers takes long."""
    cuts: list[int] = []
    count, before = 0, None
    with suppress(Bad, OSError), path.open("rb") as file:
        for member in tars.members(file, contents=False):
            key = _key(member.name)[0]
            if count >= most and key != before:
                cuts.append(member.offset)
                count = 0
            count, before = count + 1, key
    return tuple(cuts)


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a record; one of which any member is broken is broken."""
    held: list[tars.Member] = []
    try:
        with unpack.opened(part) as file:
            for member in tars.members(file, part.first, part.last):
                if held and _key(member.name)[0] != _key(held[0].name)[0]:
                    yield from _record(held, part, origin)
                    held = []
                held.append(member)
    except (Bad, OSError) as fault:
        yield from _last(held, part, origin, fault.reason if isinstance(fault, Bad) else "cannot be read")
        return
    if held:
        yield from _record(held, part, origin)


def _last(held: list[tars.Member], part: Slice, origin: Origin, fault: str) -> Iterator[Sample | Broken]:
    """The last record before a fault, if that did not take some of it, and the fault."""
    found = list(_record(held, part, origin)) if held else []
    yield from (one for one in found if isinstance(one, Sample))
    yield Broken(f"{part.name} after {_key(held[-1].name)[0]}" if held else part.name, fault)


def _key(name: str) -> tuple[str, str]:
    """A member's name up to its last part's first dot, and what follows it."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return folder + slash + key, ending.lower()


def _record(held: list[tars.Member], part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    key = _key(held[0].name)[0] or f"byte {held[0].offset}"
    place = f"{part.name} {key}".encode(errors="replace").decode()
    bad = next((member.bad for member in held if member.bad), "")
    if bad:
        yield Broken(place, bad)
        return
    try:
        fields = _fields(held)
    except Bad as fault:
        yield Broken(place, fault.reason)
        return
    named = {member.name.rpartition("/")[2]: member.data for member in held}
    yield from records.Way(origin, lambda name: _open(named, name), samples).samples(fields, place)


def _open(named: dict[str, bytes], name: str) -> bytes:
    if name not in named:
        raise Bad("no such file")
    return named[name]


def _fields(held: list[tars.Member]) -> dict[str, Any]:
    """What the members say together: the fields of a .json, a text, and the pictures."""
    fields: dict[str, Any] = {}
    pictures: list[Image] = []
    for member in held:
        ending = _key(member.name)[1]
        kind = ending.rpartition(".")[2]
        if kind in ("json", "jsonl"):
            told = lines.value(member.data)
            if not isinstance(told, dict):
                raise Bad("wrong type")
            fields = {**told, **fields}
        elif kind in _TEXTS:
            fields["caption" if kind == "caption" else "text"] = decoded(member.data)
        elif f".{kind}" in PICTURES:
            pictures.append(picture(member.data, kind))
    if pictures:
        fields["image"] = pictures
    return fields


FORM = Form("webdataset", slices, read)
