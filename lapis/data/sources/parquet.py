"""Parquet files, a record a row: some row groups a slice, only the columns that a sample needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis.data.sources import records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice
from lapis.data.sources.places import files, inside
from lapis.data.sources.samples import samples
from lapis.types import Sample

ENDINGS = (".parquet",)
SIZE = 64 << 20
"""Bytes of a slice, as they stand in the file."""
BATCH = 64
"""Rows that are held at once: they may hold pictures."""
MOST = 1 << 20
"""Most rows of a group that are told as broken one by one: the count itself may be damaged."""
FAULTS = (pa.ArrowException, OSError, ValueError, TypeError, OverflowError)
"""What Arrow raises for a damaged file, UnicodeDecodeError among them."""


def slices(place: Path) -> list[Slice]:
    """Row groups of about 64 MB together; a file that cannot be opened whole."""
    return [part for whole in files(place, ENDINGS) for part in _cut(whole)]


def _cut(whole: Slice) -> list[Slice]:
    try:
        with pq.ParquetFile(inside(whole.path, whole.root)) as file:
            meta = file.metadata
            sizes = [_size(meta.row_group(number)) for number in range(meta.num_row_groups)]
    except (Bad, *FAULTS):
        return [whole]
    parts, first, held = [], 0, 0
    for number, size in enumerate(sizes, 1):
        held += size
        if held >= SIZE or number == len(sizes):
            parts.append(replace(whole, first=first, last=number))
            first, held = number, 0
    return parts


def _size(group: Any) -> int:
    return sum(group.column(number).total_compressed_size for number in range(group.num_columns))


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a row."""
    return rows(part, records.Way(origin, records.beside(part), samples))


def rows(part: Slice, way: records.Way) -> Iterator[Sample | Broken]:
    """The same, by any way."""
    try:
        file = pq.ParquetFile(inside(part.path, part.root), pre_buffer=False)
        total, sizes = file.metadata.num_row_groups, _rows(file)
    except (Bad, *FAULTS):
        yield Broken(part.name, "damaged Parquet")
        return
    with file:
        last = total if part.last is None else min(part.last, total)
        for group in range(part.first, last):
            yield from _group(file, group, sum(sizes[:group]), part.name, way)


def _rows(file: pq.ParquetFile) -> list[int]:
    return [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]


def _group(file: pq.ParquetFile, group: int, before: int, name: str, way: records.Way) -> Iterator[Sample | Broken]:
    """A row group's samples; where it is damaged, each of the rows that could not be read is broken."""
    done, size = 0, file.metadata.row_group(group).num_rows
    columns = records.wanted(file.schema_arrow.names, way.origin)
    try:
        for batch in file.iter_batches(BATCH, row_groups=[group], columns=columns, use_threads=False):
            yield from of_batch(batch, f"{name} row", before + done, way)
            done += batch.num_rows
    except FAULTS:
        last = min(size, done + MOST)
        yield from (Broken(f"{name} row {before + row}", "damaged Parquet") for row in range(done + 1, last + 1))


def of_batch(batch: pa.RecordBatch, name: str, before: int, way: records.Way) -> Iterator[Sample | Broken]:
    """Samples of an Arrow batch whose first row is number `before + 1`."""
    try:
        batch.validate(full=True)
        found: list[Any] = batch.to_pylist()
    except FAULTS:
        found = [_row(batch, number) for number in range(batch.num_rows)]
    for number, row in enumerate(found, before + 1):
        place = f"{name} {number}"
        if isinstance(row, Bad):
            yield Broken(place, row.reason)
        else:
            yield from way.samples(row, place)


def _row(batch: pa.RecordBatch, number: int) -> Any:
    """A row's fields, or what is bad about them; nothing is taken out of what Arrow finds unsound."""
    one = batch.slice(number, 1)
    try:
        one.validate(full=True)
        return one.to_pylist()[0]
    except FAULTS as fault:
        return Bad("not UTF-8" if "UTF" in str(fault).upper() else "wrong type")


FORM = Form("parquet", slices, read)
