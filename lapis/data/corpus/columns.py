"""Slices of any form as tables; records of plain text get there without a Sample each.

JSON lines, CSV and Parquet tell their records one by one, and one that is only a text adds a value to some columns.
Every other record, and every other form, gives samples, which become rows in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lapis.data import store
from lapis.data.corpus import rows
from lapis.data.sources import csv, jsonl, parquet, records, samples
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, clean
from lapis.types import Sample

BATCH, BYTES = 16384, 16 << 20
"""Most rows of a table, and about the bytes from which one is full."""
COLUMNS = ("text", "lang", "source", "licence", "meta")
Rows = Callable[[Slice, records.Way], Iterator[Any]]
ROWS: dict[str, Rows] = {"jsonl": jsonl.rows, "csv": csv.rows, "parquet": parquet.rows}
"""Forms whose records can be taken another way than as samples."""
MORE = ("turns", "box", "elements", "image")
"""Fields of records that are more than a text."""

Text = tuple[str, str, str, str, str]
"""Values of COLUMNS."""


@dataclass(slots=True)
class Batch:
    """Rows of a table under way."""

    kind: str
    texts: list[Text] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """Of each row, in order: its number among the texts, or below zero among the samples."""
    size: int = 0

    def add(self, item: Text | Sample) -> None:
        """One more row."""
        if isinstance(item, Sample):
            self.order.append(~len(self.samples))
            self.samples.append(item)
            self.size += 2 * sum(len(turn.text) for turn in item.turns) + sum(len(one.data) for one in item.images)
        else:
            self.order.append(len(self.texts))
            self.texts.append(item)
            self.size += 2 * len(item[0])  # a document's turns are its text once more

    @property
    def full(self) -> bool:
        """Whether it is time to take the table."""
        return len(self.order) >= BATCH or self.size >= 2 * BYTES

    def take(self) -> pa.Table:
        """The rows that were added, in store.SCHEMA; none are left."""
        columns = dict(zip(COLUMNS, zip(*self.texts, strict=True), strict=False)) or dict.fromkeys(COLUMNS, ())
        table = pa.concat_tables([rows.documents(columns, self.kind), store.to_table(self.samples)])
        if self.samples:
            table = table.take([at if at >= 0 else len(self.texts) + ~at for at in self.order])
        self.texts, self.samples, self.order, self.size = [], [], [], 0
        return table.combine_chunks()


def read(form: Form, part: Slice, origin: Origin) -> Iterator[Text | Sample | Broken]:
    """Records of a slice: texts as values of COLUMNS, the others as samples."""
    if form.name in ROWS:
        return ROWS[form.name](part, records.Way(origin, records.beside(part), _plain(origin)))
    return form.read(part, origin)


def _plain(origin: Origin) -> Callable[[records.Record], Iterator[Any]]:
    """What makes values of a record, or samples where it is more than a text."""
    told = dict(origin.columns)
    keys = {name: (told[name],) if name in told else usual for name, usual in records.USUAL.items()}
    more = {key for name in MORE for key in keys[name]}
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
