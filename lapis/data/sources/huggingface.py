"""Data sets of Hugging Face: a hub repository (`org/name`), a clone of one, or what `save_to_disk` wrote.

Their files are read as they are (Parquet, Arrow, JSON lines, CSV, webdataset tars) without the `datasets` library, that
would run a repository's code. Pictures are columns of {bytes, path}.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lapis import hub
from lapis.data.sources import csv, jsonl, parquet, records, webdataset
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice
from lapis.data.sources.places import files, inside
from lapis.data.sources.samples import samples
from lapis.types import InputError, Sample

PATTERNS = ("*.parquet", "*.arrow", "*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.csv", "*.tsv", "*.tar")
"""What is fetched of a hub repository: the files that are read, and no code."""
ARROW = (".arrow",)
_TOLD = ("dataset_info.json", "state.json", "dataset_dict.json")


def slices(place: Path) -> list[Slice]:
    """Of the first sort of file that there is (Parquet, Arrow, tars, JSON lines, CSV) all, cut as that form cuts them.

    Raises InputError where there is neither such a folder nor such a repository, or nothing that can be read.
    """
    folder = place if place.exists() else hub.folder_of(place.as_posix(), PATTERNS, "dataset")
    for form in (parquet.slices, _arrow, webdataset.slices, jsonl.slices, csv.slices):
        try:
            found = [part for part in form(folder) if part.path.name not in _TOLD]
        except InputError:
            continue
        if found:
            return found
    raise InputError(f"{place}: no data set there (Parquet, Arrow, JSON lines, CSV or tar files)")


def _arrow(place: Path) -> list[Slice]:
    return files(place, ARROW)


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a row."""
    readers = (
        (parquet.ENDINGS, parquet.read), (ARROW, read_arrow), (webdataset.ENDINGS, webdataset.read),
        (csv.ENDINGS, csv.read),
    )  # fmt: skip
    name = part.path.name.lower()
    reader = next((reader for endings, reader in readers if name.endswith(endings)), jsonl.read)
    return reader(part, origin)


def read_arrow(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A sample a row of an Arrow stream, as `save_to_disk` writes it, or of an Arrow file."""
    way = records.Way(origin, records.beside(part), samples)
    done = 0
    try:
        with pa.memory_map(str(inside(part.path, part.root))) as file:
            for batch in _batches(file):
                wanted = batch.select(records.wanted(batch.schema.names, origin))
                for first in range(0, wanted.num_rows, parquet.BATCH):
                    some = wanted.slice(first, parquet.BATCH)
                    yield from parquet.of_batch(some, f"{part.name} row", done, way)
                    done += some.num_rows
    except (Bad, *parquet.FAULTS):
        yield Broken(f"{part.name} row {done + 1}", "damaged Arrow")


def _batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    if file.read(6) != b"ARROW1":
        file.seek(0)
        yield from pa.ipc.open_stream(file)
        return
    opened = pa.ipc.open_file(file)
    yield from (opened.get_batch(number) for number in range(opened.num_record_batches))


FORM = Form("huggingface", slices, read)
