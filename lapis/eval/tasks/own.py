"""Tasks of the user's own held-out files (lapis/data/handlers.py): those whose samples say how an answer is checked."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from lapis.data import store
from lapis.eval.tasks.base import Task


def own(heldout: Path, known: Collection[str]) -> Iterator[Task]:
    """A task a file whose name is not `known`: asked with and without a thought where there are thoughts, and blind
    where all have pictures."""
    for path in sorted(heldout.glob("*.parquet")):
        if path.stem in known or not all("verifier" in json.loads(meta) for meta in store.read_column(path, "meta")):
            continue
        if samples := [*store.read_samples(path)]:
            thinks, sees = any(one.think for one in samples), all(one.images for one in samples)
            yield Task(path.stem, path.stem, ("think", "direct") if thinks else ("direct",), blind=sees)
