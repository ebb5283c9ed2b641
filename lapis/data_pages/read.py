"""Samples to look at: some of a folder of shards, of samples files, or of a run, spread evenly over what fits a filter.

Only columns of names are read whole; of pictures and texts no more than the row groups of what is chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lapis import chat
from lapis.data import store
from lapis.data.evenly import spread
from lapis.data.mixture import belongs
from lapis.data.shards import Shards
from lapis.data_pages import behind
from lapis.data_pages.shown import Shown, of_example, of_sample
from lapis.types import InputError

EXTRA = ("id", "step", "reason", "other", "modality", "subject", "quality", "difficulty", "gain", "masked")
"""Columns that are told where they are there, beside those of a sample; an id as the file has it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which samples; empty takes all."""

    kind: str = ""
    """A kind, or the beginning of some (`screen` for `screen/ground`)."""
    lang: str = ""
    source: str = ""
    """Part of a source's name."""
    id: str = ""
    """The beginning of an id."""

    def fits(self, kind: str, lang: str, source: str, name: str) -> bool:
        return (
            (not self.kind or belongs(kind, self.kind))
            and (not self.lang or lang == self.lang)
            and self.source in source
            and name.startswith(self.id)
        )


def look(path: Path, wanted: Filter, many: int, tokenizer: Path | None = None) -> list[Shown]:
    """At most `many` samples of what a path names, in its order.

    Raises InputError for a path with neither shards nor samples, a filter that nothing fits, and one by language,
    source or id over shards, which know kinds alone.
    """
    folder = data_of(path)
    if (folder / "index.json").is_file():
        found = _of_shards(folder, wanted, many, tokenizer or folder.parent / "tokenizer")
    else:
        found = _of_files(samples_files(folder), wanted, many)
    if not found:
        raise InputError(f"{path}: no sample there fits; take a filter away")
    return found


def data_of(path: Path) -> Path:
    """The folder of shards, the samples file, or the folder of samples files that a path stands for."""
    places = (path, path / "samples", path / "data" / "samples")
    for place in places:
        if (place / "index.json").is_file() or place.is_file() or (place.is_dir() and any(place.glob("*.parquet"))):
            return place
    expected = "expected a folder with index.json, samples as .parquet, or a run"
    raise InputError(f"{path}: no shards or samples there; {expected}")


def samples_files(place: Path) -> list[Path]:
    """The samples files of a folder, or the one that is named."""
    return [place] if place.is_file() else sorted(place.glob("*.parquet"))


def _of_shards(folder: Path, wanted: Filter, many: int, words: Path) -> list[Shown]:
    if wanted.lang or wanted.source or wanted.id:
        raise InputError(f"{folder}: shards know the kinds of their samples only; look at the samples for the rest")
    shards, tokenizer = Shards(folder), chat.Tokenizer.load(words, 1)
    fitting = [number for number, kind in enumerate(shards.kinds) if wanted.fits(kind, "", "", "")]
    chosen = spread(np.flatnonzero(np.isin(shards.kind, fitting)).tolist(), many)
    rows = behind.rows(folder, len(shards))
    known = [one.facts for one in rows_of([rows[number] for number in chosen])] if rows else [{} for _ in chosen]
    return [of_example(shards.read(number), tokenizer, facts) for number, facts in zip(chosen, known, strict=True)]


def _of_files(paths: Sequence[Path], wanted: Filter, many: int) -> list[Shown]:
    found: list[tuple[Path, int]] = []
    for path in paths:
        columns = (store.read_column(path, name) for name in ("kind", "lang", "source", "id"))
        found += [(path, row) for row, names in enumerate(zip(*columns, strict=True)) if wanted.fits(*names)]
    return list(rows_of(spread(found, many)))


def named(paths: Sequence[Path], ids: Collection[str]) -> list[tuple[Path, int]]:
    """(file, row) of the first sample of each of those ids that is there."""
    found: dict[str, tuple[Path, int]] = {}
    for path in paths:
        for row, name in enumerate(store.read_column(path, "id")):
            if name in ids:
                found.setdefault(name, (path, row))
    return list(found.values())


def rows_of(chosen: Sequence[tuple[Path, int]]) -> Iterator[Shown]:
    """Rows of samples files by (file, row), which rise within a file. Raises InputError for a file of other columns."""
    held: tuple[Path, int] | None = None
    rows: list[Any] = []
    for path, row in chosen:
        group, start = _group(path, row)
        if held != (path, group):
            held, rows = (path, group), _read(path, group)
        sample, more = rows[row - start]
        yield of_sample(sample, more)


def _group(path: Path, row: int) -> tuple[int, int]:
    """Row group of a row, and its first row."""
    metadata, start = pq.read_metadata(path), 0
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        if row < start + count:
            return group, start
        start += count
    raise IndexError(row)


def _read(path: Path, group: int) -> list[Any]:
    with pq.ParquetFile(path) as file:
        table = file.read_row_group(group)
    missing = [name for name in store.SCHEMA.names if name not in table.column_names]
    if missing:
        raise InputError(f"{path}: no samples; the column {missing[0]!r} is missing")
    extra = table.select([name for name in EXTRA if name in table.column_names]).to_pylist()
    return list(zip(store.from_table(table.select(store.SCHEMA.names)), extra, strict=True))
