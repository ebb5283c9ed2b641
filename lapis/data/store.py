"""Samples as Parquet, until they are tokenised.

Unusual: several samples of one screen hold the same picture, so the picture column is dictionary-encoded and each
picture is written once a row group. A column `key` holds what two samples must share to count as duplicates, so that
duplicates are found without reading pictures.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis import files
from lapis.said import first_line
from lapis.types import Image, InputError, Part, Sample, Text, Turn

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("kind", pa.string()),
        ("lang", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("text", pa.string()),
        ("document", pa.bool_()),
        ("think", pa.bool_()),
        ("budget", pa.int32()),
        ("turns", pa.string()),
        ("images", pa.list_(pa.binary())),
        ("cells", pa.string()),
        ("meta", pa.string()),
    ]
)
GROUP = 512
"""Samples of a row group: the unit in which samples are read back and tokenised."""
_DICTIONARY = 64 << 20
_ONCE = frozenset(("id", "key", "source", "text", "turns", "meta"))
"""Columns whose values seldom stand twice, so that no dictionary is looked for."""
_PACKED = _ONCE | {"cells"}


def write_samples(path: Path, samples: Iterable[Sample]) -> int:
    """Write samples to a Parquet file, beside it first and then renamed. Returns how many there were."""
    rows = iter(samples)
    count = 0
    with files.beside(path) as part, writer_of(part, SCHEMA) as writer:
        while group := list(islice(rows, GROUP)):
            writer.write_table(to_table(group), row_group_size=GROUP)
            count += len(group)
    return count


def read_samples(path: Path) -> Iterator[Sample]:
    """The samples of a Parquet file in order. Raises InputError naming a file that is not one."""
    for group in range(groups(path)):
        yield from read_group(path, group)


def groups(path: Path) -> int:
    """Row groups of a samples file."""
    return _open(path).metadata.num_row_groups


def read_group(path: Path, group: int) -> list[Sample]:
    """The samples of one row group."""
    with _open(path) as file:
        return from_table(file.read_row_group(group))


def read_column(path: Path, name: str) -> list[Any]:
    """One column of a samples file, without touching the others. Raises InputError where it is not there."""
    with _open(path) as file:
        if name not in file.schema_arrow.names:
            raise InputError(f"{path}: no samples; the column {name!r} is missing")
        return file.read([name]).column(name).to_pylist()


def normal(text: str) -> str:
    """Text as duplicates are compared: NFKC, case-folded, runs of white space as one space."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(text.split()).casefold()


def key(sample: Sample) -> str:
    """Hash that equal samples share: a document's text, or a conversation's prompt texts and picture bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for turn in sample.turns:
        if sample.document or turn.role != "assistant" or sample.kind.startswith("caption"):
            digest.update(normal(turn.text).encode("utf-8", "surrogatepass") + b"\0")
    for image in sample.images:
        digest.update(hashlib.blake2b(image.data, digest_size=16).digest())
    return digest.hexdigest()


def to_table(samples: Sequence[Sample]) -> pa.Table:
    """Samples as one Arrow table in SCHEMA."""
    return pa.Table.from_pylist([_row(sample) for sample in samples], schema=SCHEMA)


def from_table(table: pa.Table) -> list[Sample]:
    """Samples of a table in SCHEMA."""
    return [_sample(row) for row in table.to_pylist()]


def writer_of(path: Path, schema: pa.Schema, codec: str = "ZSTD") -> pq.ParquetWriter:
    """A writer of samples whose schema is SCHEMA, or that and more columns, or of other columns.

    Texts are packed by `codec`; pictures are compressed already, and numbers and short words are not worth it.
    """
    leaves = {"images.list.element" if name == "images" else name: name in _PACKED for name in schema.names}
    how = {leaf: codec if packed else "NONE" for leaf, packed in leaves.items()}
    again = [leaf for leaf, packed in leaves.items() if leaf not in _ONCE]
    return pq.ParquetWriter(path, schema, compression=how, use_dictionary=again, dictionary_pagesize_limit=_DICTIONARY)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no samples there") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file of samples ({first_line(error)})") from None


def _row(sample: Sample) -> dict[str, Any]:
    return {
        "id": sample.fingerprint,
        "key": key(sample),
        "kind": sample.kind,
        "lang": sample.lang,
        "source": sample.source,
        "licence": sample.licence,
        "text": "\n".join(turn.text for turn in sample.turns),
        "document": sample.document,
        "think": sample.think,
        "budget": sample.budget,
        "turns": _json([_turn(turn) for turn in sample.turns]),
        "images": [image.data for image in sample.images],
        "cells": _json(sample.cells),
        "meta": _json(sample.meta),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _turn(turn: Turn) -> list[Any]:
    """[role, thought, parts]; a text is a string, a picture its [width, height]."""
    parts = [part.text if isinstance(part, Text) else [part.width, part.height] for part in turn.parts]
    return [turn.role, turn.thought, parts]


def _sample(row: dict[str, Any]) -> Sample:
    images = iter(row["images"])
    return Sample(
        kind=row["kind"],
        lang=row["lang"],
        source=row["source"],
        licence=row["licence"],
        turns=tuple(
            Turn(role, tuple(_part(part, images) for part in parts), thought)
            for role, thought, parts in json.loads(row["turns"])
        ),
        document=row["document"],
        think=row["think"],
        budget=row["budget"],
        cells=tuple(json.loads(row["cells"])),
        meta=json.loads(row["meta"]),
    )


def _part(part: str | list[int], images: Iterator[bytes]) -> Part:
    return Text(part) if isinstance(part, str) else Image(next(images), part[0], part[1])
