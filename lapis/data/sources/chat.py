"""Chat logs in the forms of ShareGPT, LLaVA and OpenAI: .json arrays or JSON lines; pictures lie beside the file."""

from __future__ import annotations

from collections.abc import Iterator

from lapis.data.sources import jsonl, records, turns
from lapis.data.sources.base import Broken, Form, Origin, Slice
from lapis.types import Sample


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A conversation a record."""
    return jsonl.rows(part, records.Way(origin, records.beside(part, ("", "images")), turns.chat))


FORM = Form("chat", jsonl.slices, read)
