"""Plain text: a file is a document (.txt, plain or packed)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lapis.data.sources import records
from lapis.data.sources.base import Broken, Form, Origin, Slice, decoded
from lapis.data.sources.places import bundles, packs
from lapis.types import Sample

ENDINGS = packs(".txt")


def slices(place: Path) -> list[Slice]:
    """Some files of a folder each."""
    return bundles(place, ENDINGS)


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A document a file."""
    return records.documents(part, origin, lambda data: {"text": decoded(data)})


FORM = Form("text", slices, read, named=False)
