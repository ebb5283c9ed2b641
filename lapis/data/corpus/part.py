"""One partition: slices are read, taken through the row-wise steps, signed and written; its counts are written last.

Four files bear its name: `.parquet` has the rows that stay, `.signs.parquet` their signatures, `.dropped.parquet` some
of those that do not, and `.json` the counts, without which the partition is not finished.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data import store
from lapis.data.corpus import columns, plan, rows, signatures, steps
from lapis.data.corpus.plan import Part
from lapis.data.sources.base import Broken, Form, Origin, Slice

READ = "read"
"""Name of the step before all others, at which records break."""
BROKEN = "broken"
"""Kind of records that are none, where the source says none of its samples."""
GROUP = 4096
"""Rows of a row group of a partition."""
DROPPED = pa.schema([*store.SCHEMA, ("step", pa.string()), ("reason", pa.string()), ("other", pa.string())])


def jobs(data: config.Data, parts: list[Part], folder: Path) -> list[dict[str, Any]]:
    """What is left to do of the partitions."""
    return [
        {
            "base": str(part.file(folder, "")),
            "slices": [plan.packed(one) for one in part.slices],
            "origin": [part.source, data.sources[part.source].kind],
            "source": json.loads(config.dump(data.sources[part.source])),
            "corpus": json.loads(config.dump(data.corpus)),
        }
        for part in parts
        if not part.file(folder, ".json").is_file()
    ]


def make(job: dict[str, Any]) -> dict[str, Any]:
    """Do one partition. Raises InputError where the disk is full."""
    source, settings = config.check(config.Source, job["source"]), config.check(config.Corpus, job["corpus"])
    origin = plan.origin(job["origin"][0], source)
    base, mark = Path(job["base"]), f".{os.getpid()}"
    tally, broken = steps.Tally(settings.examples), list[dict[str, str]]()
    form = plan.form(source.form, origin.name)
    tables = _read([plan.unpacked(one) for one in job["slices"]], form, origin, tally, broken)
    with ExitStack() as stack:
        data, signs = (Growing(_ending(base, ending), mark, stack) for ending in (".parquet", ".signs.parquet"))
        for table in tables:
            tally.add(READ, table)
            kept = steps.through(table, settings, tally)
            if kept.num_rows:
                kept = rows.finish(kept)
                data.add(kept)
                signs.add(signatures.sign(kept, settings.near))
    with files.beside(_ending(base, ".dropped.parquet"), mark) as path:
        pq.write_table(examples(tally), path, compression="zstd")
    told = {"rows": data.rows, "steps": tally.lines(), "broken": broken, "pictures": data.pictures}
    with files.beside(_ending(base, ".json"), mark) as path:
        path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    return {"rows": data.rows}


def _ending(base: Path, ending: str) -> Path:
    return base.with_name(base.name + ending)


class Growing:
    """A Parquet file that tables are added to; there at the stack's end, also without any."""

    def __init__(self, path: Path, mark: str, stack: ExitStack):
        self.part = stack.enter_context(files.beside(path, mark))
        self.writer: pq.ParquetWriter | None = None
        self.rows = self.pictures = 0
        self.stack = stack
        stack.callback(self._close)

    def add(self, table: pa.Table) -> None:
        """Add rows; all tables have the columns of the first."""
        if self.writer is None:
            self.writer = store.writer_of(self.part, table.schema, "LZ4")
        self.writer.write_table(table.select(self.writer.schema.names).cast(self.writer.schema), row_group_size=GROUP)
        self.rows += table.num_rows
        if "images" in table.column_names:
            self.pictures += len(table["images"].combine_chunks().flatten())

    def _close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        else:
            pq.write_table(store.SCHEMA.empty_table(), self.part)


def _read(
    slices: list[Slice], form: Form, origin: Origin, tally: steps.Tally, broken: list[dict[str, str]]
) -> Iterator[pa.Table]:
    """Tables of all slices together; records that are none are counted."""
    batch = columns.Batch(origin.kind or "prose")
    for item in (item for one in slices for item in columns.read(form, one, origin)):
        if isinstance(item, Broken):
            broken.append({"source": origin.name, "place": item.place, "reason": item.reason})
            tally.broken(READ, origin.kind or BROKEN, item.reason)
            continue
        batch.add(item)
        if batch.full:
            yield batch.take()
    if batch.rows:
        yield batch.take()


def examples(tally: steps.Tally) -> pa.Table:
    """The dropped rows that are kept to look at, in DROPPED."""
    tables = [
        table.append_column("other", pa.nulls(table.num_rows, pa.string())).select(DROPPED.names).cast(DROPPED)
        for table in tally.examples
    ]
    return pa.concat_tables([DROPPED.empty_table(), *tables])
