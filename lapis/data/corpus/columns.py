"""Slices of any form as tables; records of plain text get there without a Sample each.

JSON lines are read a block at a time where all are plain (corpus/quick.py). Else JSON lines, CSV and Parquet tell their
records one by one, and one that is only a text adds a value to some columns. Every other record, and every other form,
gives samples, which become rows in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lapis.data import store
from lapis.data.corpus import quick, rows
from lapis.data.sources import csv, jsonl, lines, parquet, records, samples
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, clean
from lapis.types import Sample

BATCH, BYTES = 4096, 8 << 20
"""Rows, and bytes of texts, from which a table is full: so much of a partition is held at once."""
COLUMNS = ("text", "lang", "source", "licence", "meta")
Rows = Callable[[Slice, records.Way], Iterator[Any]]
ROWS: dict[str, Rows] = {"jsonl": jsonl.rows, "csv": csv.rows, "parquet": parquet.rows}
"""Forms whose records can be taken another way than as samples."""

Text = tuple[str, str, str, str, str]
"""Values of COLUMNS."""


@dataclass(slots=True)
class Batch:
    """Rows of a table under way."""

    kind: str
    """Of the texts; samples have their own."""
    tables: list[pa.Table] = field(default_factory=list)
    """Rows of before."""
    texts: list[Text] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """Of each row since, in order: its number among the texts, or below zero among the samples."""
    rows: int = 0
    size: int = 0

    def add(self, item: pa.Table | Text | Sample) -> None:
        """One more row, or more rows in columns named as COLUMNS."""
        if isinstance(item, pa.Table):
            self._close()
            self.tables.append(rows.documents(dict(zip(item.column_names, item.columns, strict=True)), self.kind))
            self.size += 2 * item["text"].nbytes
        elif isinstance(item, Sample):
            self.order.append(~len(self.samples))
            self.samples.append(item)
            self.size += 2 * sum(len(turn.text) for turn in item.turns) + sum(len(one.data) for one in item.images)
        else:
            self.order.append(len(self.texts))
            self.texts.append(item)
            self.size += 2 * len(item[0])  # a document's turns are its text once more
        self.rows += item.num_rows if isinstance(item, pa.Table) else 1

    @property
    def full(self) -> bool:
        """Whether it is time to take the table."""
        return self.rows >= BATCH or self.size >= 2 * BYTES

    def take(self) -> pa.Table:
        """The rows that were added, in store.SCHEMA; none are left."""
        self._close()
        table = pa.concat_tables([store.SCHEMA.empty_table(), *self.tables]).combine_chunks()
        self.tables, self.rows, self.size = [], 0, 0
        return table

    def _close(self) -> None:
        """Make a table of the rows that came one by one."""
        if not self.order:
            return
        columns = dict(zip(COLUMNS, zip(*self.texts, strict=True), strict=False)) or dict.fromkeys(COLUMNS, ())
        table = pa.concat_tables([rows.documents(columns, self.kind), store.to_table(self.samples)])
        if self.samples:
            table = table.take([at if at >= 0 else len(self.texts) + ~at for at in self.order])
        self.tables.append(table)
        self.texts, self.samples, self.order = [], [], []


def read(form: Form, part: Slice, origin: Origin) -> Iterator[pa.Table | Text | Sample | Broken]:
    """Records of a slice: texts as values of COLUMNS, one by one or as a table, the others as samples."""
    if form.name not in ROWS:
        return form.read(part, origin)
    way = records.Way(origin, records.beside(part), _plain(origin))
    if form.name == "jsonl" and quick.fits(origin) and not jsonl.is_array(part):
        return _lines(part, way)
    return ROWS[form.name](part, way)


def _lines(part: Slice, way: records.Way) -> Iterator[Any]:
    for block in lines.blocks(part):
        if isinstance(block, Broken):
            yield block
        elif (table := quick.read(block, part, way.origin)) is not None:
            yield table
        else:
            yield from jsonl.told(lines.each(part, block), way)


def _plain(origin: Origin) -> Callable[[records.Record], Iterator[Any]]:
    """What makes values of a record, or samples where it is more than a text."""
    told = dict(origin.columns)
    keys = {name: (told[name],) if name in told else usual for name, usual in records.USUAL.items()}
    more = {key for name in quick.MORE for key in keys[name]}
    deep = any("." in key for key in told.values())

    def make(record: records.Record) -> Iterator[Any]:
        fields = record.fields
        if deep or not more.isdisjoint(fields):
            yield from samples.samples(record)
            return
        text = clean(next((found for key in keys["text"] if (found := fields.get(key)) not in (None, "")), None))
        known = [not fields.keys().isdisjoint(keys[name]) for name in ("licence", "lang", "url")]
        licence = (record.licence() if known[0] else "") or origin.licence
        if not licence:
            raise Bad("no licence")
        lang = (record.lang() if known[1] else "") or origin.lang
        meta = json.dumps(record.meta(), ensure_ascii=False, separators=(",", ":")) if known[2] else "{}"
        yield text, lang, f"{origin.name} {record.place}", licence, meta

    return make
