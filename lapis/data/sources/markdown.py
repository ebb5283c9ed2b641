"""Markdown: a file is a document, marks kept (.md, .markdown); `licence`, `lang` and `url` at its head are its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lapis.data.sources import records
from lapis.data.sources.base import Broken, Form, Origin, Slice, decoded
from lapis.data.sources.places import bundles, packs
from lapis.types import Sample

ENDINGS = packs(".md", ".markdown")
_HEAD = re.compile(r"---[ \t]*\r?\n(?=(?:#[^\n]*\n|\s)*[\w-]+[ \t]*:)(.{0,10000}?)\r?\n---[ \t]*\r?\n", re.DOTALL)
"""A head of YAML, whose first line that says anything names a field: two rules with prose between them are none."""
_FIELD = re.compile(r"^([A-Za-z]+):[ \t]*[\"']?([^\r\n\"']+)", re.MULTILINE)


def slices(place: Path) -> list[Slice]:
    """Some files of a folder each."""
    return bundles(place, ENDINGS)


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A document a file."""
    return records.documents(part, origin, _fields)


def _fields(data: bytes) -> dict[str, str]:
    """The text and, where a head of YAML stands before it, what that says in plain `name: value` lines."""
    text = decoded(data)
    head = _HEAD.match(text)
    if head is None:
        return {"text": text}
    return {**{name.lower(): value.strip() for name, value in _FIELD.findall(head[1])}, "text": text[head.end() :]}


FORM = Form("markdown", slices, read, named=False)
