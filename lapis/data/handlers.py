"""Samples of the user's own generators, which a recipe names by kind in `data.handlers`.

A generator is a function `(split, seed) -> samples` for the splits `train`, `held` (what training must not have) and
`fresh` (what only RL asks). Its held-out file bears the kind's name: each stage measures its loss there, and where its
samples say how an answer is checked (`meta["verifier"]`, lapis/verify.py), evaluation asks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lapis import plug
from lapis.data import store
from lapis.data.gather import Stage
from lapis.data.mixture import belongs
from lapis.types import InputError, Sample

FILE = "own-{}.parquet"
"""Of training and of RL, so that no kind meets a file of ours."""


def make_own(stage: Stage) -> dict[str, Any]:
    """Write the three files of each kind. Raises InputError for a name or a sample that is none."""
    counts = {}
    for kind, name in stage.recipe.data.handlers.items():
        taught = stage.samples / FILE.format(kind)
        counts[kind] = _write(taught, kind, name, "train", stage.recipe.seed)
        _write(stage.held / f"{kind}.parquet", kind, name, "held", stage.recipe.seed)
        read = set(store.read_column(taught, "key"))
        _write(stage.fresh / FILE.format(kind), kind, name, "fresh", stage.recipe.seed, read)
    return {"samples": counts}


def _write(path: Path, kind: str, name: str, split: str, seed: int, read: Iterable[str] = ()) -> int:
    make = plug.named(name, f"data.handlers.{kind}")
    return store.write_samples(path, (one for one in _checked(make(split, seed), kind) if store.key(one) not in read))


def _checked(samples: Iterable[Any], kind: str) -> Iterator[Sample]:
    for number, sample in enumerate(samples):
        if not isinstance(sample, Sample):
            raise InputError(f"data.handlers.{kind}: item {number} is no lapis.types.Sample")
        if not belongs(sample.kind, kind) or not sample.source or not sample.licence:
            expected = f"kind {kind!r} or below, a source and a licence"
            raise InputError(f"data.handlers.{kind}: sample {number} is of kind {sample.kind!r}, expected {expected}")
        yield sample
