"""Data sets of Hugging Face: a hub repository (`org/name`), a clone of one, or what `save_to_disk` wrote.

Their files are read as they are (Parquet, Arrow, JSON lines, CSV, webdataset tars) without the `datasets` library, that
would run a repository's code. Pictures are columns of {bytes, path}. What is read of a repository is said as the hub's
own file system says it: `org/name@revision/folder`, or a pattern of files there. Files of test and validation splits,
by the words that the hub knows them by, are read only where the place itself names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from lapis import hub
from lapis.data.sources import csv, jsonl, parquet, records, webdataset
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice
from lapis.data.sources.places import files, inside
from lapis.data.sources.samples import samples
from lapis.types import InputError, Sample

ARROW = (".arrow",)
ENDINGS = (*parquet.ENDINGS, *ARROW, *webdataset.ENDINGS, *jsonl.ENDINGS, *csv.ENDINGS)
"""Of what is fetched from a hub repository: the files that are read, and no code."""
_TOLD = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json")
_TESTS = re.compile(r"(?<![A-Za-z])(?:validation|valid|val|dev|testing|test|evaluation|eval)(?![A-Za-z])")
"""Words of splits that are not trained on; no letter stands beside them (the rule of `datasets`)."""

_BELOW = re.compile(r"([^/@]*)(?:@(refs/(?:convert|pr)/\w+|[^/]*))?/?(.*)", re.DOTALL)
"""What follows a repository's owner: its name, a revision (of those with a slash the hub's own alone) and what is below
it."""


def slices(place: Path) -> list[Slice]:
    """Of the first sort of file that there is (Parquet, Arrow, tars, JSON lines, CSV) all but tests, cut as that form
    cuts them.

    Raises InputError where there is neither such a folder nor such a repository, or nothing that can be read.
    """
    folder, inner = (place, "") if place.exists() else _fetched(place.as_posix())
    found = _found(folder, inner)
    if not found:
        raise InputError(f"{place}: no data set there (Parquet, Arrow, JSON lines, CSV or tar files)")
    if place.is_file():
        return found
    taught = found if _TESTS.search(inner) else [part for part in found if not _TESTS.search(part.name)]
    if not taught:
        raise InputError(f"{place}: only files of test and validation splits there; a place that names them reads them")
    return taught


def _fetched(name: str) -> tuple[Path, str]:
    """Folder of a repository, and what is read below it."""
    owner, _, rest = name.partition("/")
    repository, revision, inner = _BELOW.fullmatch(rest).groups("")  # type: ignore[union-attr]  # matches all
    whole = f"{owner}/{repository}" if owner and repository else name
    return hub.folder_of(whole, _patterns(inner), "dataset", unquote(revision) or None), inner


def _patterns(inner: str) -> tuple[str, ...]:
    """Of the files below a folder of a repository, or of those that a pattern names."""
    if inner.endswith(ENDINGS):
        return (inner,)
    folder = f"{inner.rstrip('/')}/" if inner and not inner.endswith("*") else inner
    return tuple(f"{folder}*{ending}" for ending in ENDINGS)


def _found(folder: Path, inner: str) -> list[Slice]:
    """Slices of the first sort of file that there is: the cache may hold what another place has fetched."""
    for form in (parquet.slices, _arrow, webdataset.slices, jsonl.slices, csv.slices):
        try:
            found = [part for part in form(folder) if part.path.name not in _TOLD]
        except InputError:
            continue
        if inner:
            found = [part for part in found if any(fnmatchcase(part.name, one) for one in _patterns(inner))]
        if found:
            return found
    return []


def _arrow(place: Path) -> list[Slice]:
    """All but what `datasets` keeps beside them of its own: `cache-*.arrow` has the same rows once more."""
    return [part for part in files(place, ARROW) if place.is_file() or not part.path.name.startswith("cache-")]


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
                names = records.wanted(batch.schema.names, origin)
                wanted = batch.select([at for at, name in enumerate(batch.schema.names) if name in names])
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
