"""RL items: problems that can be checked, in bands of difficulty; what is always or never right teaches nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lapis.data import store
from lapis.data.answers.choose import is_known
from lapis.data.answers.problems import problem_of
from lapis.data.losses import Losses
from lapis.data.sets import balance
from lapis.data_config.sets import Balance, Bands
from lapis.types import InputError, Sample

STEP = "items"


def items(samples: Iterable[Sample], bands: Bands, losses: Losses) -> Iterator[Sample]:
    """Items of samples that have a pass rate (`meta.pass_rate` over `meta.answers`), each problem once, with `band` in
    their `meta`. Samples without a pass rate are none, and are not counted.

    Raises InputError for edges that do not rise.
    """
    if list(bands.edges) != sorted(set(bands.edges)):
        raise InputError("bands.edges: expected rising numbers")
    seen: set[str] = set()
    for sample in samples:
        problem = None if "pass_rate" not in sample.meta else problem_of(sample)
        if problem is None or (key := store.key(problem)) in seen:
            continue
        seen.add(key)
        rate, answers = float(sample.meta["pass_rate"]), int(sample.meta.get("answers", 0))
        if why := _wrong(problem, rate, answers, bands):
            losses.drop(STEP, problem, why)
            continue
        losses.keep(STEP, problem)
        more = {"band": name_of(rate, bands), "pass_rate": rate, "answers": answers, "difficulty": round(1 - rate, 4)}
        yield replace(problem, meta={**problem.meta, **more})


def chosen(found: Sequence[Sample], bands: Bands, rule: Balance, seed: int) -> set[int]:
    """Places of the items that stay: in each band abilities, languages and modalities are balanced by `rule`, whose
    `total` is there the band's `most`."""
    within: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(found):
        within[item.meta["band"]].append(place)
    capped = replace(rule, total=bands.most)
    return {
        places[at]
        for places in within.values()
        for at in balance.chosen([found[place] for place in places], capped, seed)
    }


def given(path: Path) -> Iterator[Sample]:
    """Items of a file as they are. Raises InputError for a file of none, and an item that nothing can check."""
    for number, sample in enumerate(store.read_samples(path), 1):
        if not is_known(sample):
            raise InputError(f"{path}: sample {number} has no verifier and answer; expected RL items (rl.parquet)")
        yield sample


def _wrong(problem: Sample, rate: float, answers: int, bands: Bands) -> str:
    if not is_known(problem):
        return "no verifier"
    if rate <= 0:
        return "never right"
    if rate >= 1:
        return "always right"
    return "few answers" if answers < bands.answers else ""


def name_of(rate: float, bands: Bands) -> str:
    """The band that a pass rate lies in, `0.25-0.5`; an edge belongs to the band above it."""
    edges = [0.0, *bands.edges, 1.0]
    high = next((edge for edge in edges[1:] if rate < edge), 1.0)
    low = max(edge for edge in edges if edge < high)
    return f"{low:g}-{high:g}"
