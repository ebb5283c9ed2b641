"""CSV and TSV with a line of names first, a record a row (.csv, .tsv; plain or packed).

In CSV a field in quotes may hold commas, doubled quotes and line ends; in TSV quotes mean nothing. Unusual: a row that
is no row (a quote that never closes, too many fields) costs only its first line; reading goes on at the next.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from lapis.data.sources import lines, records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, decoded
from lapis.data.sources.places import files, packs
from lapis.data.sources.samples import samples
from lapis.types import Sample

ENDINGS = packs(".csv", ".tsv", ".tab")
MOST = 1000
"""Most lines of a row."""
_Line = tuple[str, bytes]


def slices(place: Path) -> list[Slice]:
    """The files: where a row begins is known only to who has read all before it."""
    return files(place, ENDINGS)


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a row."""
    return rows(part, records.Way(origin, records.beside(part), samples))


def rows(part: Slice, way: records.Way) -> Iterator[Sample | Broken]:
    """The same, by any way; where the names themselves are broken, so is every row."""
    names: list[str] | None = None
    nameless = False
    for row in _rows(part):
        if isinstance(row, Broken):
            nameless = nameless or names is None
            yield row
        elif nameless:
            yield Broken(row[0], "no names")
        elif names is None:
            names = row[1]
        elif len(row[1]) != len(names):
            yield Broken(row[0], "wrong number of fields")
        else:
            yield from way.samples(dict(zip(names, row[1], strict=True)), row[0])


def _rows(part: Slice) -> Iterator[tuple[str, list[str]] | Broken]:
    """(place, fields) of every row, the names first, and what is broken."""
    source = lines.read(part, blank=True)
    tabs = ".csv" not in part.path.name.lower()
    width = 0
    waiting: deque[_Line | Broken] = deque()
    while first := (waiting.popleft() if waiting else next(source, None)):
        if isinstance(first, Broken):
            yield first
        if isinstance(first, Broken) or not first[1].strip():
            continue
        try:
            fields, taken = _row(first, waiting, source, tabs, width)
        except Bad as bad:
            yield Broken(first[0], bad.reason)
            continue
        for _ in range(taken):
            waiting.popleft()
        width = width or len(fields)
        yield first[0], fields


def _row(
    first: _Line, waiting: deque[_Line | Broken], source: Iterator[_Line | Broken], tabs: bool, width: int
) -> tuple[list[str], int]:
    """A row's fields and how many of the waiting lines it took; more are made to wait where it needs them.

    Raises Bad where it is none, and where it is over several lines and has not `width` fields.
    """
    parts = [decoded(first[1])]
    if tabs:
        return parts[0].removesuffix("\r").split("\t"), 0
    fields, taken, size = _split(parts), 0, 0
    while fields is None:
        if taken == len(waiting) and (more := next(source, None)):
            waiting.append(more)
        line = waiting[taken] if taken < len(waiting) else None
        if line is None or isinstance(line, Broken) or taken == MOST or size > lines.LONGEST:
            raise Bad("quote without end")
        parts.append(decoded(line[1]))
        size += len(parts[-1])
        taken += 1
        fields = _split(parts) if '"' in parts[-1] else None
    if taken and width and len(fields) != width:
        raise Bad("quote without end")
    return fields, taken


def _split(parts: list[str]) -> list[str] | None:
    """The fields of a row's lines; None where a quote is still open. Raises Bad."""
    csv.field_size_limit(2 * lines.LONGEST)
    try:
        return next(csv.reader(["\n".join(parts).removesuffix("\r")], strict=True), [""])
    except csv.Error as error:
        if "end of data" in str(error):
            return None
        raise Bad("bad CSV") from None


FORM = Form("csv", slices, read)
