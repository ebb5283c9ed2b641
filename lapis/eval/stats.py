"""Intervals for everything that the report calls a figure.

Shares get Wilson's score interval, which stays inside [0, 1] and is honest at 0 of n and n of n, where the usual
normal interval has no width. Differences and ratios get a percentile bootstrap with its own seeded generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

Z95 = 1.959963984540054
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95% interval and the number of cases behind it."""

    value: float
    low: float
    high: float
    n: int

    def entry(self) -> dict[str, float | None]:
        """For a JSON file, which has no infinity: what has no end, like a rise from nothing, is null."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def wilson(correct: float, n: int) -> Interval:
    """Share `correct / n` with Wilson's score interval (Wilson 1927).

    Raises ValueError unless 0 <= correct <= n and n > 0.
    """
    if n <= 0 or not 0 <= correct <= n:
        raise ValueError(f"share of {correct} in {n}: expected 0 <= correct <= n and n > 0")
    share = correct / n
    scale = 1 + Z95**2 / n
    centre = (share + Z95**2 / (2 * n)) / scale
    half = Z95 / scale * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    low = 0.0 if correct == 0 else max(0.0, float(centre - half))
    high = 1.0 if correct == n else min(1.0, float(centre + half))
    return Interval(share, low, high, n)


def difference(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Interval:
    """mean(first) - mean(second); entry i of both is the same case asked in two ways."""
    return paired(first, second, lambda a, b: a - b, seed)


def relative(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Interval:
    """mean(first) / mean(second) - 1 over paired cases; 0 where both means are 0, inf where only the second is."""
    return paired(first, second, _ratio, seed)


def paired(
    first: Sequence[float],
    second: Sequence[float],
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of `combine(mean(first), mean(second))`, cases drawn together (2000 resamples)."""
    if len(first) != len(second) or not first:
        raise ValueError(f"paired cases: {len(first)} and {len(second)}, expected as many, at least one")
    values_2N = np.asarray([first, second], dtype=np.float64)
    n = values_2N.shape[1]
    picks_RN = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    draws_R = combine(values_2N[0][picks_RN].mean(1), values_2N[1][picks_RN].mean(1))
    value = float(combine(values_2N[0].mean(keepdims=True), values_2N[1].mean(keepdims=True))[0])
    low, high = np.percentile(draws_R, [2.5, 97.5], method="nearest")
    return Interval(value, float(low), float(high), n)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    safe = np.where(bottom == 0, 1.0, bottom)
    empty = np.where(top == 0, 0.0, np.inf)
    return np.where(bottom == 0, empty, top / safe - 1)
