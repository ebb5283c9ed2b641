"""Facts found in long documents before and after the stage that lengthens positions, by the documents' length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lapis import config
from lapis.data import store
from lapis.eval.harness import Ask, Record, measure, share, spread
from lapis.eval.tasks.reading import NEEDLE
from lapis.types import Generator, Progress, Sample

ANSWER_TOKENS = 16
"""Most tokens of an answer; a code has four digits."""


def stages(recipe: config.Recipe) -> list[tuple[str, str]]:
    """(before, after) of each stage that switches positions to YaRN."""
    found = [entry for entry in recipe.stages if isinstance(entry, config.Train) and entry.yarn]
    return [(entry.parent, entry.name) for entry in found if entry.parent]


def _asked(recipe: config.Recipe) -> set[str]:
    """The stages that are asked: one may stand after a switch and before the next."""
    return {stage for pair in stages(recipe) for stage in pair}


def count(recipe: config.Recipe, heldout: Path) -> int:
    """Requests that this takes."""
    path = heldout / f"{NEEDLE.name}.parquet"
    there = len(store.read_column(path, "kind")) if path.is_file() else 0
    return len(_asked(recipe)) * min(there, recipe.eval.samples)


def compare(
    load: Callable[[Path], Generator], run: Path, recipe: config.Recipe, heldout: Path, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Stage to {"before", "after"}, each tokens of a document to its share found; empty where there are no needles."""
    samples = _samples(recipe, heldout)

    def found(stage: str) -> dict[str, Any]:
        generator, ask = load(run / stage / "model"), Ask(NEEDLE.name, "direct")
        return by_length(measure(generator, samples, ask, ANSWER_TOKENS, progress, NEEDLE.breakdown))

    if not samples:
        return {}
    shares = {stage: found(stage) for stage in sorted(_asked(recipe))}
    return {after: {"before": shares[before], "after": shares[after]} for before, after in stages(recipe)}


def _samples(recipe: config.Recipe, heldout: Path) -> list[Sample]:
    path = heldout / f"{NEEDLE.name}.parquet"
    return spread(list(store.read_samples(path)), recipe.eval.samples) if path.is_file() else []


def by_length(records: list[Record]) -> dict[str, Any]:
    """Share found for each length in tokens, rising."""
    groups: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        groups[int(record["tags"]["length"])].append(record)
    return {str(length): share(groups[length]) for length in sorted(groups)}
