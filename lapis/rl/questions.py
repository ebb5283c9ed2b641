"""The questions that RL asks: drawn by the stage's mixture from those that SFT has not read, and the held-out ones.

A question is a conversation with one answer to give and a verifier in its `meta`; of one that points several times a
single point is asked. Files are read by row groups, only as many as the run needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lapis import config
from lapis.data import store
from lapis.data.mixture import belongs, match
from lapis.types import KINDS, InputError, Sample, Text

HELD = {"math": "math", "screen/math": "screen_math_seen", "screen/ground": "ground_seen"}
"""Kind to the held-out file that measures it."""
Fits = Callable[[Sample], bool]
"""Whether a question and its answer fit the engine and a training row."""


def is_question(sample: Sample) -> bool:
    """One answer is asked for, and it can be checked."""
    asked = sum(turn.role == "user" for turn in sample.turns)
    return not sample.document and asked == 1 and "verifier" in sample.meta


def one_point(sample: Sample, rng: random.Random) -> Sample:
    """One of the points of a conversation that has several; any other sample as it is."""
    boxes = sample.meta.get("boxes", ())
    if len(boxes) < 2 or "verifier" in sample.meta:
        return sample
    number = rng.randrange(len(boxes))
    asked, answer = sample.turns[2 * number : 2 * number + 2]
    question = replace(asked, parts=(*sample.turns[0].images, Text(asked.text)))
    return replace(sample, turns=(question, answer), meta={"verifier": "point", "box": boxes[number]})


def draw(folder: Path, mixture: dict[str, float], count: int, seed: int, fits: Fits) -> list[Sample]:
    """`count` questions in random order, shares by the mixture; fewer where a kind has no more.

    Raises InputError where a kind of the mixture has no question at all.
    """
    rng = random.Random(f"questions {seed}")
    total = sum(mixture.values())
    drawn = []
    for prefix, weight in mixture.items():
        wanted = round(count * weight / total)
        found = _take(folder, prefix, mixture, wanted, rng, fits)
        if wanted and not found:
            raise InputError(f"mixture: {prefix} has no question with a verifier that fits in {folder}")
        drawn += found
    rng.shuffle(drawn)
    return drawn


def _take(
    folder: Path, prefix: str, mixture: dict[str, float], wanted: int, rng: random.Random, fits: Fits
) -> list[Sample]:
    groups = [place for path in sorted(folder.glob("*.parquet")) for place in _groups(path, prefix, mixture)]
    rng.shuffle(groups)
    found: list[Sample] = []
    for path, group in groups:
        if len(found) >= wanted:
            break
        fitting = [one for one in store.read_group(path, group) if match(one.kind, mixture) == prefix]
        fitting = [one for one in (one_point(one, rng) for one in fitting) if is_question(one)]
        rng.shuffle(fitting)
        found += [one for one in fitting if fits(one)]
    return found[:wanted]


def _groups(path: Path, prefix: str, mixture: dict[str, float]) -> Iterator[tuple[Path, int]]:
    """Row groups that hold a kind under the prefix."""
    kinds = store.read_column(path, "kind")
    for group in range(store.groups(path)):
        here = set(kinds[group * store.GROUP : (group + 1) * store.GROUP])
        if any(match(kind, mixture) == prefix for kind in here):
            yield path, group


def held(folder: Path, stage: config.RL, seed: int, fits: Fits) -> list[Sample]:
    """`stage.held_out` held-out questions of the kinds that the stage trains, in equal parts."""
    names = [
        file for kind, file in HELD.items() if any(belongs(kind, one) or belongs(one, kind) for one in stage.mixture)
    ]
    names += [kind for kind in stage.mixture if not any(belongs(one, kind) for one in KINDS)]
    if not names:
        raise InputError(f"{stage.name}.mixture: none of {', '.join(stage.mixture)} has held-out questions")
    rng = random.Random(f"held {seed}")
    drawn: list[Sample] = []
    for rank, name in enumerate(names):
        share = stage.held_out * (rank + 1) // len(names) - stage.held_out * rank // len(names)
        asked = [one for one in store.read_samples(folder / f"{name}.parquet") if match(one.kind, stage.mixture)]
        asked = [one for one in asked if is_question(one) and fits(one)]
        drawn += rng.sample(asked, min(share, len(asked)))
    return drawn
