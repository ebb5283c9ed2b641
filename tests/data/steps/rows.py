"""Rows in the stored schema for the tests of steps."""

from __future__ import annotations

import pyarrow as pa

from lapis.data import store
from lapis.types import Image, Sample, Text, Turn
from tests.data import world


def documents(*texts: str, lang: str = "en") -> pa.Table:
    """Each text as a document."""
    return store.to_table([world.document(text, lang=lang) for text in texts])


def talk(question: str, said: str, thought: str | None = None, image: Image | None = None, **meta: object) -> Sample:
    """A conversation of one question."""
    parts = (Text(question),) if image is None else (image, Text(question))
    turns = (Turn("user", parts), Turn("assistant", (Text(said),), thought))
    return Sample("caption" if image else "math/word", "en", "test", "CC0-1.0", turns, meta=meta)
