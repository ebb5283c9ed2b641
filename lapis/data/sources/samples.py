"""A record as samples: turns make a chat, boxes a grounding, a picture a caption, and a text alone a document."""

from __future__ import annotations

from collections.abc import Iterator

from lapis.data.sources import boxes, records, turns
from lapis.data.sources.base import Broken
from lapis.types import Sample


def samples(record: records.Record) -> Iterator[Sample | Broken]:
    """One sample; of a screen with many elements a sample for some. Raises Bad."""
    if record.get("turns") is not None:
        yield from turns.chat(record)
    elif record.get("box") is not None or record.get("elements") is not None:
        yield from boxes.groundings(record)
    elif record.get("image") is not None:
        yield from records.captions(record)
    else:
        yield records.document(record)
