"""Annotations of screens as published, with their pictures: ScreenSpot v1 and v2, ScreenSpot-Pro, OS-Atlas, ShowUI."""

from __future__ import annotations

from collections.abc import Iterator

from lapis.data.sources import boxes, jsonl, records
from lapis.data.sources.base import Broken, Form, Origin, Slice
from lapis.types import Sample


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A conversation that points, a record."""
    return jsonl.rows(part, records.Way(origin, records.beside(part, boxes.FOLDERS), boxes.groundings))


FORM = Form("grounding", jsonl.slices, read)
