"""Rows whose texts change: turns, thoughts, `text` and the answer to check alike, with `id` and `key` to match."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import store
from lapis.types import Sample, Text, Turn

Change = Callable[[str], str]


def matching(rows: pa.Table, pattern: str) -> npt.NDArray[np.bool_]:
    """Which rows have a text in their turns that a pattern (RE2) is found in; the turns are searched as JSON."""
    return np.asarray(pc.fill_null(pc.match_substring_regex(rows["turns"], pattern), False))


def texts(turns: str) -> list[str]:
    """Every text and thought of a row's `turns`."""
    found = []
    for _, thought, parts in json.loads(turns):
        found += [thought] if thought else []
        found += [part for part in parts if isinstance(part, str)]
    return found


def rewrite(rows: pa.Table, where: npt.NDArray[np.bool_], change: Change) -> pa.Table:
    """The same rows (store.SCHEMA, more columns stay as they are), with `change` made to every text of some of them."""
    if not where.any():
        return rows
    places = np.flatnonzero(where)
    some = rows.select(store.SCHEMA.names).take(places)
    changed = store.to_table([_changed(sample, change) for sample in store.from_table(some)])
    order = np.arange(rows.num_rows)
    order[places] = rows.num_rows + np.arange(len(places))
    for name in ("id", "key", "text", "turns", "meta"):
        both = pa.chunked_array([*rows[name].chunks, *changed[name].cast(rows[name].type).chunks])
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), both.take(pa.array(order)))
    return rows


def _changed(sample: Sample, change: Change) -> Sample:
    turns = tuple(_turn(turn, change) for turn in sample.turns)
    answer = sample.meta.get("answer")
    meta = {**sample.meta, "answer": change(answer)} if isinstance(answer, str) else sample.meta
    return replace(sample, turns=turns, meta=meta)


def _turn(turn: Turn, change: Change) -> Turn:
    parts = tuple(Text(change(part.text)) if isinstance(part, Text) else part for part in turn.parts)
    return replace(turn, parts=parts, thought=change(turn.thought) if turn.thought else turn.thought)
