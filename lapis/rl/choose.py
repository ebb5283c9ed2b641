"""Which question is asked at which place: in their order, or those that are hard more often.

Unusual: a question gives its place to one of its own kind, so that tasks keep the shares that the mixture gave them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from lapis.rl.rewards import Score
from lapis.types import Sample

UNKNOWN = 0.5
"""Share of right answers to a question that was not asked yet."""
LEAST = 0.05
"""Weight of a question that is always answered right: it may be forgotten, and comes back."""


class Chooser:
    """Questions, and how often each was answered right the last time.

    At a share `hard` of places a question of the same kind is drawn by 1 - that rate (prioritised sampling of Kimi
    k1.5, arXiv 2501.12599, section 2.3.4); the draw follows from seed and place alone.
    """

    def __init__(self, asked: Sequence[Sample], hard: float, seed: int):
        self.asked, self.hard, self.seed = list(asked), hard, seed
        self.rates: dict[int, float] = {}
        """Of questions by their number; those that were not asked are not there."""
        self._numbers = {id(sample): number for number, sample in enumerate(self.asked)}
        self._kinds: dict[str, list[int]] = defaultdict(list)
        for number, sample in enumerate(self.asked):
            self._kinds[sample.kind].append(number)

    def number(self, place: int) -> int:
        """Of the question for a place among all that the run asks."""
        plain = place % len(self.asked)
        draw = random.Random(f"{self.seed} {place}")
        if draw.random() >= self.hard:
            return plain
        alike = self._kinds[self.asked[plain].kind]
        return draw.choices(alike, [max(LEAST, 1 - self.rates.get(one, UNKNOWN)) for one in alike])[0]

    def learn(self, sample: Sample, scores: Sequence[Score]) -> None:
        """How a question was answered."""
        self.rates[self._numbers[id(sample)]] = sum(one.right for one in scores) / len(scores)

    def state(self) -> list[tuple[int, float]]:
        """What a checkpoint keeps."""
        return sorted(self.rates.items())

    def restore(self, state: Sequence[tuple[int, float]]) -> None:
        """Take over what `state` gave."""
        self.rates = {int(number): float(rate) for number, rate in state}
