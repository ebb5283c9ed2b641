"""What copies are found by, without their texts and pictures: a few 64-bit numbers a row, in columns of their own.

A document has bands of MinHash values (corpus/minhash.py); a photograph its perceptual hash (imagehash's DCT hash of
64 bits); a screen a hash of its pixels and one of its elements' texts and places. Samples with pictures are copies only
where they ask the same, which `prompt` stands for; captions ask nothing, and neither does a question of our own, drawn
from a few by the picture's bytes.

Shape legend: D documents, H hashes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image as Pixels

from lapis import config
from lapis.data import store
from lapis.data.corpus import minhash, rows, words
from lapis.data.corpus.words import Hashes
from lapis.data.sources.captions import ASKED

PICTURES = ("photo", "pixels", "elements", "prompt")
"""Columns of samples with pictures; `photo` and `elements` are null where there is no such hash."""
OURS = frozenset(store.normal(question).encode() for asked in ASKED.values() for question in asked)
"""What we ask where a record has a picture and its caption alone."""
MOST_PIXELS = 50_000_000
"""Pictures of more pixels are not decoded here."""


def bands(near: config.Near) -> list[str]:
    """Names of a document's columns."""
    return [f"band{number:02d}" for number in range(near.bands)]


def sign(table: pa.Table, near: config.Near) -> pa.Table:
    """Of every finished row: `id`, halves of its key, and the columns that its kind has; the others are null."""
    keys = np.frombuffer(b"".join(bytes.fromhex(key) for key in table["key"].to_pylist()), dtype="<u8").reshape(-1, 2)
    columns: dict[str, Any] = {"id": table["id"], "key_a": pa.array(keys[:, 0]), "key_b": pa.array(keys[:, 1])}
    mask = np.asarray(rows.plain(table))
    columns |= _spread(
        mask, dict(zip(bands(near), _minhash(table["text"].filter(pa.array(mask)), near).T, strict=True))
    )
    return pa.table(columns | _looks(table, mask))


def _spread(mask: np.ndarray[Any, Any], columns: Mapping[str, Hashes]) -> dict[str, pa.Array]:
    """Columns of the chosen rows as columns of all, null elsewhere."""
    where = pa.array(np.cumsum(mask) - 1, mask=~mask)
    return {name: pa.array(np.ascontiguousarray(values)).take(where) for name, values in columns.items()}


def _minhash(texts: pa.ChunkedArray, near: config.Near) -> Hashes:
    """Hash of each band of each document [D, bands]."""
    found = (words.grams(*one, near.ngram) for one in words.cut(words.spaced(texts.combine_chunks())))
    none = np.zeros((0, near.bands), dtype=np.uint64)
    return np.concatenate([none, *(minhash.bands(*one, near.bands, near.rows) for one in found)])


def _looks(table: pa.Table, plain: np.ndarray[Any, Any]) -> dict[str, pa.Array]:
    """Columns of the rows with pictures."""
    made: dict[str, list[int | None]] = {name: [None] * table.num_rows for name in PICTURES}
    shown = np.flatnonzero(~plain & np.asarray(pc.greater(pc.list_value_length(table["images"]), 0)))
    chosen = table.select(["kind", "turns", "images", "cells"])
    for at in shown.tolist():
        for name, value in look(chosen.slice(at, 1).to_pylist()[0]).items():
            made[name][at] = value
    return {name: pa.array(values, pa.uint64()) for name, values in made.items()}


def look(row: Mapping[str, Any]) -> dict[str, int | None]:
    """Hashes of one row's pictures and of what it asks about them."""
    pictures = [picture for data in row["images"] if (picture := decoded(data)) is not None]
    whole = len(pictures) == len(row["images"])
    screen = row["kind"].startswith("screen")
    photo = perceptual(pictures[0]) if whole and not screen and len(pictures) == 1 else None
    pixels = (b"%dx%d" % one.size + one.tobytes() for one in pictures) if whole else iter(row["images"])
    return {
        "photo": photo,
        "pixels": _digest(*(hashlib.sha256(one).digest() for one in pixels)),
        "elements": _elements(json.loads(row["cells"]), pictures) if screen and whole else None,
        "prompt": _prompt(row),
    }


def _elements(cells: list[Any], pictures: list[Pixels.Image]) -> int | None:
    """Texts and places of a screen's elements; null where they are not known."""
    found = [[one.size, sorted(map(list, cell.get("words", ())))] for cell, one in zip(cells, pictures, strict=False)]
    return _digest(json.dumps(found).encode()) if found and all(one[1] for one in found) else None


def _prompt(row: Mapping[str, Any]) -> int:
    asked = _asked(row["turns"])
    return 0 if row["kind"].startswith("caption") or OURS.issuperset(asked) else _digest(*asked)


def _asked(turns: str) -> list[bytes]:
    parts = (part for role, _, parts in json.loads(turns) if role != "assistant" for part in parts)
    return [store.normal(part).encode() for part in parts if isinstance(part, str)]


def _digest(*parts: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(b"\0".join(parts), digest_size=8).digest(), "little")


def decoded(data: bytes) -> Pixels.Image | None:
    """A picture in RGB; None for one that is too large or none."""
    try:
        with Pixels.open(io.BytesIO(data)) as image:
            return image.convert("RGB") if image.width * image.height <= MOST_PIXELS else None
    except (OSError, ValueError, SyntaxError, Pixels.DecompressionBombError):
        return None


def perceptual(picture: Pixels.Image) -> int:
    """DCT hash of 64 bits (pHash, by imagehash): copies of other size or quality differ in a bit or two."""
    import imagehash

    return int(str(imagehash.phash(picture)), 16)
