"""Kinds of samples that Lapis wrote itself, which files bring into a run: sources of form `made`, and RL items"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from lapis import config
from lapis.data.corpus import plan
from lapis.data.sets import items
from lapis.data.sources import parquet
from lapis.data.sources.base import Bad
from lapis.data.sources.places import inside
from lapis.types import InputError


def by_sources(data: config.Data) -> set[str]:
    """Kinds in the sources of form `made`, as far as their files can be read.

    Raises InputError for a source whose place has nothing.
    """
    made = {name: source for name, source in data.sources.items() if source.form == "made"}
    files = {(one.path, one.root) for name, source in made.items() for one in plan.slices(name, source)}
    found: set[str] = set()
    for path, root in files:
        with suppress(Bad, *parquet.FAULTS):
            found.update(map(str, pq.read_table(inside(path, root), columns=["kind"])["kind"].unique().to_pylist()))
    return found


def by_items(file: str) -> Counter[str]:
    """How many RL items of each kind a file has (`data.sets.items`).

    Raises InputError for one that is not there, and where nothing can check an item.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"data.sets.items: {file} is no file; `lapis data sets` writes one (rl.parquet)")
    return Counter(item.kind for item in items.given(path))
