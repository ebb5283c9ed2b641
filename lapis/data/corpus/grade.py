"""What a model says of the rows that copies and evaluation sets left: `difficulty`, and what their pictures tell.

Of every partition in the process that has the model, written as `NAME.grades.parquet` with a row for each of
`NAME.kept.parquet`. A file stays as long as its rows and the reader are the same, so that a killed build goes on with
the next partition and a new source has nothing else read again.

The difficulty of a row is the share of wrong answers where answers are wanted and can be checked, else it comes from
the loss: rows of one kind should be checkable all or none, since the two cannot be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data import store
from lapis.data.corpus.plan import Part
from lapis.data.models import Models
from lapis.data.steps import classify, pictures
from lapis.types import Progress, Request

SCHEMA = pa.schema([("difficulty", pa.float32()), ("gain", pa.float32())])
"""Columns of a file of grades; null where nothing is known."""
MARK = b"grades"
"""Key of the file's metadata that says what was read by whom."""


def make(folder: Path, parts: Sequence[Part], settings: config.Corpus, models: Models, progress: Progress) -> None:
    """Have the reader read the kept rows of all partitions. Nothing is done without one."""
    if models.scorer is None:
        return
    for one in parts:
        kept, out = one.file(folder, ".kept.parquet"), one.file(folder, ".grades.parquet")
        mark = _mark(kept, settings.reader, models.reader)
        if not out.is_file() or (pq.read_schema(out).metadata or {}).get(MARK) != mark:
            with files.beside(out) as path, pq.ParquetWriter(path, SCHEMA.with_metadata({MARK: mark})) as writer:
                for table in _graded(kept, settings, models):
                    writer.write_table(table)
        progress.advance()


def _mark(kept: Path, settings: config.Reader, reader: str) -> bytes:
    """Of the rows and of how they are read; the folder's name does not matter."""
    digest = hashlib.blake2b(digest_size=16)
    asked = (settings.answers, settings.max_tokens, settings.temperature) if settings.answers else ()
    for text in (reader, repr(asked), *store.read_column(kept, "id")):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest().encode()


def _graded(kept: Path, settings: config.Corpus, models: Models) -> Iterator[pa.Table]:
    with pq.ParquetFile(kept) as file:
        for group in range(file.num_row_groups):
            yield grades(file.read_row_group(group, columns=store.SCHEMA.names), settings.reader, models)


def grades(rows: pa.Table, settings: config.Reader, models: Models) -> pa.Table:
    """Difficulty and gain of rows (store.SCHEMA), in SCHEMA."""
    assert models.scorer is not None
    difficulty = classify.by_loss(rows, models.scorer)["difficulty"]
    if models.generator is not None:
        request = Request((), max_tokens=settings.max_tokens, temperature=settings.temperature)
        answered = classify.by_pass_rate(rows, models.generator, settings.answers, request)["difficulty"]
        difficulty = pc.coalesce(answered, difficulty)
    gain = pictures.change(rows, models.scorer)["gain"] if models.sees else pa.nulls(rows.num_rows, pa.float32())
    return pa.table({"difficulty": difficulty, "gain": gain}, schema=SCHEMA)
