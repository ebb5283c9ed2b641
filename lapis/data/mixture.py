"""The order in which samples are drawn: kinds by their weights, each kind reshuffled every pass, passes capped.

Unusual: shares are exact rather than drawn. The i-th sample of a kind with weight w is due at time (i + 1/2) / w, and
samples are taken in the order of their times, so that any stretch of the order holds the stated shares. A kind that is
exhausted drops out, and the others keep their ratio.

Shape legend: P pieces (samples, or parts of long documents).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def belongs(kind: str, prefix: str) -> bool:
    """Whether a kind is the prefix or lies under it (`screen/ground` under `screen`)."""
    return kind == prefix or kind.startswith(prefix + "/")


def match(kind: str, prefixes: Mapping[str, object]) -> str | None:
    """The longest prefix that a kind belongs to."""
    fitting = [prefix for prefix in prefixes if belongs(kind, prefix)]
    return max(fitting, key=len) if fitting else None


@dataclass(slots=True)
class Stream:
    """The samples of one mixture entry, in an endless or capped order."""

    name: str
    weight: float
    members: Ints
    """[P] piece numbers."""
    passes: float
    """Most passes; infinity without a cap."""
    drawn: int = 0
    orders: dict[int, Ints] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        return self.passes * len(self.members) if len(self.members) else 0

    @property
    def exhausted(self) -> bool:
        return self.drawn >= self.limit

    def due(self, time: float) -> int:
        """How many samples are due before a time, in all."""
        return int(min(np.ceil(max(time * self.weight - 0.5, 0)), self.limit))

    def take(self, count: int, seed: Sequence[int]) -> Ints:
        """The next `count` pieces; each pass is shuffled by (seed, pass)."""
        size = len(self.members)
        places = np.arange(self.drawn, self.drawn + count)
        self.drawn += count
        out = np.empty(count, dtype=np.int64)
        for turn in np.unique(places // size):
            chosen = places // size == turn
            out[chosen] = self._order(int(turn), seed)[places[chosen] % size]
        return out

    def _order(self, turn: int, seed: Sequence[int]) -> Ints:
        if turn not in self.orders:
            self.orders = {turn: np.random.default_rng([*seed, turn]).permutation(self.members)}
        return self.orders[turn]


class Mixture:
    """Draws pieces in the mixed order. A pure function of (members, weights, passes, seed)."""

    def __init__(self, streams: Sequence[Stream], seed: int):
        self.streams = [stream for stream in streams if stream.weight > 0]
        self.seed = seed
        self.time = 0.0

    def draw(self, count: int) -> Ints:
        """About `count` next pieces; empty where every kind is exhausted."""
        rate = sum(stream.weight for stream in self.streams if not stream.exhausted)
        if not rate:
            return np.zeros(0, dtype=np.int64)
        end = self.time + max(count, 1) / rate
        pieces, times = [], []
        for number, stream in enumerate(self.streams):
            first, many = stream.drawn, max(stream.due(end) - stream.drawn, 0)
            pieces.append(stream.take(many, (self.seed, number)))
            times.append((first + np.arange(many) + 0.5) / stream.weight)
        self.time = end
        order = np.argsort(np.concatenate(times), kind="stable")
        drawn = np.concatenate(pieces)[order]
        return drawn if len(drawn) else self.draw(2 * max(count, 1))
