"""The questions that RL asks: drawn by the stage's mixture from those that SFT has not read, and the held-out ones.

A question is a conversation with one answer to give and a reward in its `meta`; of one that points several times a
single point is asked. Files are read by row groups, only as many as the run needs. Questions that cannot be asked or
judged, and those that equal a held-out sample, are left out before any work, counted by their reasons.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from pathlib import Path

from lapis import config
from lapis.data import store
from lapis.data.mixture import match
from lapis.rl.held import names
from lapis.rl.rewards import made
from lapis.rl.rewards.book import incomplete, name_of
from lapis.rl.rollout import request
from lapis.types import InputError, Request, Sample, Text
from lapis.verify import parse_point

log = logging.getLogger(__name__)

Fits = Callable[[Sample], bool]
"""Whether a question can be asked."""


class Fit:
    """Whether a question and its answer fit the engine and a training row, and somebody judges it."""

    def __init__(self, stage: config.RL, tokens: Callable[[Request], int]):
        """`tokens` are a request's prompt's; it raises InputError for one that the model cannot read."""
        self.room, self.tokens = stage.row_tokens - stage.max_tokens, tokens
        self.names = set(made.names(stage.rewards))
        self.left_out: Counter[str] = Counter()
        """Reason to how many questions were left out for it."""

    def __call__(self, sample: Sample) -> bool:
        reason = self._reason(sample)
        self.left_out[reason] += bool(reason)
        return not reason

    def _reason(self, sample: Sample) -> str:
        if name_of(sample) not in self.names:
            return f"no reward named {name_of(sample)!r}"
        if lacks := incomplete(sample):
            return lacks
        try:
            long = self.tokens(request(sample, 0)) > self.room
        except InputError as error:
            return str(error)
        return f"a prompt longer than {self.room} tokens (row_tokens - max_tokens)" if long else ""

    def unlike(self, held: Container[str]) -> Fits:
        """Fits, and equals no held-out sample, whose keys are `held`."""

        def fits(sample: Sample) -> bool:
            read = store.key(sample) in held
            self.left_out["equal to a held-out sample"] += read
            return not read and self(sample)

        return fits

    def told(self) -> dict[str, int]:
        """How many questions were left out, by reason; the commonest first."""
        return {reason: many for reason, many in self.left_out.most_common() if many}


def both(run: Path, recipe: config.Recipe, stage: config.RL, fit: Fit) -> tuple[list[Sample], list[Sample]]:
    """The questions that a run asks, and the held-out ones. Raises InputError as `draw` and `held` do."""
    wanted = max(1, stage.steps * stage.prompts * (1 + stage.refill))
    fresh, heldout = (run / recipe.data.name / name for name in ("fresh", "heldout"))
    keys = {key for path in heldout.glob("*.parquet") for key in store.read_column(path, "key")}
    try:
        asked = draw(fresh, stage.mixture, wanted, recipe.seed, fit.unlike(keys))
        return asked, held(heldout, stage, recipe.seed, fit)
    finally:
        for reason, many in fit.told().items():
            log.warning("%s: %d questions are left out: %s", stage.name, many, reason)


def is_question(sample: Sample) -> bool:
    """One answer is asked for, and it names who judges it."""
    asked = sum(turn.role == "user" for turn in sample.turns)
    return not sample.document and asked == 1 and bool(name_of(sample))


def one_point(sample: Sample, rng: random.Random) -> Sample:
    """One of the points of a conversation that answers each question with one; any other sample as it is."""
    boxes = sample.meta.get("boxes", ())
    if len(boxes) < 2 or name_of(sample) or not _points(sample, len(boxes)):
        return sample
    number = rng.randrange(len(boxes))
    asked, answer = sample.turns[2 * number : 2 * number + 2]
    question = replace(asked, parts=(*sample.turns[0].images, Text(asked.text)))
    return replace(sample, turns=(question, answer), meta={"verifier": "point", "box": boxes[number]})


def _points(sample: Sample, boxes: int) -> bool:
    """Whether each answer is one point: lists have several boxes an answer, actions and their thoughts have some or
    none."""
    return len(sample.turns) == 2 * boxes and all(parse_point(answer.text) for answer in sample.turns[1::2])


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
            raise InputError(f"mixture: {prefix} has no question with a reward that fits in {folder}")
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
    files = names(stage.mixture, lambda kind: (folder / f"{kind}.parquet").is_file())
    if not files:
        raise InputError(f"{stage.name}.mixture: none of {', '.join(stage.mixture)} has held-out questions")
    rng = random.Random(f"held {seed}")
    drawn: list[Sample] = []
    for rank, name in enumerate(files):
        share = stage.held_out * (rank + 1) // len(files) - stage.held_out * rank // len(files)
        asked = [one for one in store.read_samples(folder / f"{name}.parquet") if match(one.kind, stage.mixture)]
        asked = [one for one in asked if is_question(one) and fits(one)]
        drawn += rng.sample(asked, min(share, len(asked)))
    return drawn
