"""Evaluation sets as tables of samples: files of samples, JSON lines with `text`, ScreenSpot's folders as published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lapis import config
from lapis.data import store
from lapis.data.corpus import columns, rows
from lapis.data.sources import boxes, jsonl, records
from lapis.data.sources.base import Broken, Origin, clean
from lapis.types import InputError, Sample, Text, Turn

NONE = "no evaluation set; expected JSON lines with `text`, or Parquet of samples"
READ = pa.schema([store.SCHEMA.field(name) for name in ("id", "kind", "text", "turns", "images", "cells")])
"""What is compared of a sample."""
SCREENS = 16
"""Screens of ScreenSpot that are held at once."""
_ORIGIN = Origin("evaluation", "screen/ground", "NOASSERTION")


def sets(recipe: config.Recipe, held: Path) -> list[Path]:
    """What is compared: the run's own held-out samples, ScreenSpot where the recipe asks it, and what it names more."""
    asked = [recipe.eval.screenspot] if recipe.eval.screenspot else []
    more = [Path(one).expanduser() for one in (*asked, *recipe.data.corpus.evaluations.against)]
    return [*dict.fromkeys([*sorted(held.glob("*.parquet")), *more])]


def names(sets: Sequence[Path]) -> list[str]:
    """What each set is called: its file's name, or its whole path where another has the same."""
    many = Counter(path.stem for path in sets)
    return [path.stem if many[path.stem] == 1 else path.as_posix() for path in sets]


def tables(path: Path) -> Iterator[pa.Table]:
    """Rows of a set, with the columns of READ, some at a time. Raises InputError for one that is not there or none."""
    if path.suffix == ".parquet":
        yield from (_of_samples(path, group) for group in range(store.groups(path)))
    elif path.is_dir():
        found = _screens(path)
        while some := list(islice(found, SCREENS)):
            yield store.to_table(some)
    else:
        yield _of_lines(path)


def _of_samples(path: Path, group: int) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(group).select(READ.names).cast(READ)
    except (KeyError, pa.ArrowException):
        raise InputError(f"{path}: {NONE}") from None


def _of_lines(path: Path) -> pa.Table:
    try:
        # Other marks that str.splitlines takes for an end may stand in a JSON text as they are.
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        texts = pa.chunked_array([pa.array([record["text"] for record in found], pa.string())])
    except FileNotFoundError:
        raise InputError(f"{path}: no evaluation set there") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: {NONE}") from None
    return rows.finish(
        rows.documents(dict(zip(columns.COLUMNS, (texts, *(4 * [[""] * len(texts)])), strict=True)), "prose")
    )


def _screens(folder: Path) -> Iterator[Sample]:
    """What every annotation shows and asks."""
    count = 0
    for part in filter(jsonl.is_array, jsonl.slices(folder)):
        for one in jsonl.rows(part, records.Way(_ORIGIN, records.beside(part, boxes.FOLDERS), _asked)):
            if isinstance(one, Broken):
                raise InputError(f"{folder}: {one.place}: {one.reason}; expected ScreenSpot's annotations and pictures")
            count += 1
            yield one
    if not count:
        raise InputError(f"{folder}: no evaluation set; expected ScreenSpot's annotations and pictures")


def _asked(record: records.Record) -> Iterator[Sample]:
    """Nothing for what is no annotation. Raises Bad."""
    if record.get("image") is not None:
        yield record.sample((Turn("user", (*record.images(), Text(clean(record.get("instruction"))))),))
