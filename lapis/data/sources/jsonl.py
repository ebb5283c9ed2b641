"""JSON lines, plain or packed (.jsonl, .ndjson, .json; .gz, .zst), a record a line; or a JSON array of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lapis.data.sources import arrays, lines, records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice
from lapis.data.sources.places import files, packs
from lapis.data.sources.samples import samples
from lapis.types import Sample

ENDINGS = packs(".jsonl", ".ndjson", ".json")


def slices(place: Path) -> list[Slice]:
    """Ranges of lines of about 16 MB; a packed file and an array whole."""
    return [part for whole in files(place, ENDINGS) for part in ([whole] if is_array(whole) else lines.cut(whole))]


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a line or element."""
    return rows(part, records.Way(origin, records.beside(part), samples))


def rows(part: Slice, way: records.Way) -> Iterator[Sample | Broken]:
    """The same, by any way."""
    return told(arrays.read(part) if is_array(part) else lines.read(part), way)


def told(found: Iterable[tuple[str, Any] | Broken], way: records.Way) -> Iterator[Sample | Broken]:
    """What lines or elements with their places give."""
    for row in found:
        if isinstance(row, Broken):
            yield row
            continue
        place, value = row
        try:
            fields = lines.value(value) if isinstance(value, bytes) else value
        except Bad as bad:
            yield Broken(place, bad.reason)
        else:
            yield from way.samples(fields, place)


def is_array(part: Slice) -> bool:
    """Whether a .json file holds one array; a line of a .jsonl file that looks like one is a broken line."""
    try:
        return part.path.name.lower().endswith(packs(".json")) and not part.first and arrays.is_array(part)
    except Bad:
        return False


FORM = Form("jsonl", slices, read)
