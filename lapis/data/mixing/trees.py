"""Gradient boosting with stumps, small enough to be fitted some thousand times a minute (Friedman, 2001).

Unusual: each round looks at every split of every feature at once, on orders that are sorted a single time.

Shape legend: N runs, J features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ROUNDS, RATE, LEAF = 80, 0.15, 3
"""Stumps, the share of each that is taken, and the fewest runs on a side."""


class Stump(NamedTuple):
    """One split: `low` is added where the feature is at most `at`, else `high`."""

    feature: int
    at: float
    low: float
    high: float


def fit(x_NJ: Floats, y_N: Floats) -> Callable[[Floats], Floats]:
    """What predicts y [M] of features [M, J]; the mean where there are too few runs to split."""
    order_NJ = np.argsort(x_NJ, axis=0, kind="stable")
    sorted_NJ = np.take_along_axis(x_NJ, order_NJ, axis=0)
    rest_N, stumps = y_N - y_N.mean(), list[Stump]()
    for _ in range(ROUNDS if len(y_N) >= 2 * LEAF else 0):
        stump = _split(sorted_NJ, rest_N[order_NJ])
        if stump is None:
            break
        stumps.append(stump)
        rest_N = rest_N - _at(stump, x_NJ)
    mean = float(y_N.mean())

    def predict(x_MJ: Floats) -> Floats:
        out_M = np.full(len(x_MJ), mean)
        for stump in stumps:
            out_M += _at(stump, x_MJ)
        return out_M

    return predict


def _at(stump: Stump, x_MJ: Floats) -> Floats:
    return RATE * np.where(x_MJ[:, stump.feature] <= stump.at, stump.low, stump.high)


def _split(sorted_NJ: Floats, rest_NJ: Floats) -> Stump | None:
    """The split that takes most of the squared rest; None where all values of every feature are equal."""
    count = len(sorted_NJ)
    left_N = np.arange(1, count)[:, None]
    sums_NJ = np.cumsum(rest_NJ, axis=0)[:-1]
    total_J = rest_NJ.sum(0)
    gain_NJ = sums_NJ**2 / left_N + (total_J - sums_NJ) ** 2 / (count - left_N)
    apart_NJ = (sorted_NJ[1:] > sorted_NJ[:-1]) & (left_N >= LEAF) & (count - left_N >= LEAF)
    if not apart_NJ.any():
        return None
    row, feature = np.unravel_index(np.argmax(np.where(apart_NJ, gain_NJ, -np.inf)), gain_NJ.shape)
    at = (sorted_NJ[row, feature] + sorted_NJ[row + 1, feature]) / 2
    low, high = sums_NJ[row, feature] / (row + 1), (total_J - sums_NJ[row])[feature] / (count - row - 1)
    return Stump(int(feature), float(at), float(low), float(high))
