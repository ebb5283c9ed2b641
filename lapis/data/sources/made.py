"""Samples that Lapis wrote itself (`lapis data sets`, `answers`, `screens`): Parquet in data/store.py's columns.

They stay as they are: kinds, thoughts, budgets, labels over pictures and what checks an answer, so that a set which
other models helped to make goes into a run whole. Files may come from elsewhere, and are looked at like any other's.
What a person called wrong (`lapis data check`, `lapis data screens --checked`) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from lapis.data import store
from lapis.data.check import checks
from lapis.data.losses import DROPPED
from lapis.data.sources import parquet, pictures, records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, clean
from lapis.types import Image, Part, Sample, Text, Turn

COLUMNS = tuple((name, name) for name in store.SCHEMA.names)
_TURNS = TypeAdapter(
    list[tuple[Literal["system", "user", "assistant", "tool"], str | None, list[str | tuple[int, int]]]]
)
_CELLS, _META = TypeAdapter(list[dict[str, Any]]), TypeAdapter(dict[str, Any])


def slices(place: Path) -> list[Slice]:
    """Row groups of about 64 MB together, of a folder without those of what a step dropped."""
    return [part for part in parquet.slices(place) if part.path.name != DROPPED or place.is_file()]


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a row. Raises InputError where the file of a person's checks beside it is none."""
    whole, is_wrong = replace(origin, columns=COLUMNS), checks.wrong(part.path)
    return parquet.rows(part, records.Way(whole, records.no_pictures, lambda record: iter((_kept(record, is_wrong),))))


def _kept(record: records.Record, is_wrong: Callable[[Sample], bool]) -> Sample:
    """Raises Bad, for a sample that a person called wrong too."""
    sample = _sample(record)
    if is_wrong(sample):
        raise Bad(checks.WRONG)
    return sample


def _sample(record: records.Record) -> Sample:
    """Raises Bad."""
    row = record.fields
    missing = [name for name in store.SCHEMA.names if name not in row]
    if missing:
        raise Bad("no sample")
    images = iter([pictures.picture(data) for data in _bytes(row["images"])])
    try:
        turns = tuple([_turn(told, images) for told in _TURNS.validate_json(row["turns"], strict=True)])
        cells, meta = _CELLS.validate_json(row["cells"]), _META.validate_json(row["meta"])
    except (ValidationError, StopIteration):
        raise Bad("bad sample") from None
    if not turns or next(images, None) is not None or not isinstance(row["budget"], int | None):
        raise Bad("bad sample")
    licence, origin = clean(row["licence"] or record.origin.licence or None), record.origin.name
    return Sample(
        kind=clean(row["kind"]), lang=str(row["lang"] or ""), source=f"{origin} {record.place}", licence=licence,
        turns=turns, document=bool(row["document"]), think=bool(row["think"]), budget=row["budget"],
        cells=tuple(cells), meta=meta,
    )  # fmt: skip


def _bytes(found: Any) -> list[bytes]:
    if not isinstance(found, list) or not all(isinstance(data, bytes) for data in found):
        raise Bad("wrong type")
    return found


def _turn(told: tuple[str, str | None, list[str | tuple[int, int]]], images: Iterator[Image]) -> Turn:
    role, thought, parts = told
    made: list[Part] = []
    for part in parts:
        made.append(Text(clean(part)) if isinstance(part, str) else next(images))
    return Turn(role, tuple(made), None if thought is None else clean(thought))


FORM = Form("made", slices, read, named=False, beside=checks.places)
