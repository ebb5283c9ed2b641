"""Mixtures to try: Dirichlet laws of many strengths around the sizes of the kinds (RegMix, arXiv 2407.01492), then
narrower ones around the best that is known, in turns with the regression (CLIMB, arXiv 2504.13161).

A mixture here is shares of *tokens*, which add up to 1; a stage's own weights are shares of samples, and `weights` goes
from one to the other.

Shape legend: N mixtures, J kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
TEMPER = 0.5
"""Power that brings sizes nearer to each other before mixtures are drawn around them, as RegMix's own code has it."""
STRENGTHS = (0.5, 30.0)
"""Smallest and largest sum of the Dirichlet parameters: from two or three kinds alone to near the prior (ours)."""
NEAR = (20.0, 80.0)
"""The same around what is the best so far: a share of an eighth then scatters by 7 to 4 points (ours)."""


def proportional(sizes_J: Sequence[float] | Floats) -> Floats:
    """Shares of tokens [J] as the data has them."""
    found = np.asarray(sizes_J, dtype=np.float64)
    return found / found.sum()


def uniform(kinds: int) -> Floats:
    """The same share [J] for every kind."""
    return np.full(kinds, 1 / kinds)


def mixtures(sizes_J: Sequence[float], many: int, seed: int) -> Floats:
    """Shares [N, J] of `many` mixtures; the first two are the uniform and the size-proportional one.

    A longer draw of the same seed begins with the shorter one.
    """
    prior_J = proportional(proportional(sizes_J) ** TEMPER)
    low, high = np.log(STRENGTHS)
    drawn = [uniform(len(prior_J)), proportional(sizes_J)]
    for number in range(len(drawn), many):
        rng = np.random.default_rng([seed, number])
        drawn.append(rng.dirichlet(prior_J * np.exp(rng.uniform(low, high))))
    return np.stack(drawn[:many])


def around(center_J: Floats, many: int, seed: int) -> Floats:
    """Shares [N, J] of `many` mixtures near one."""
    return _drawn(center_J, many, NEAR, np.random.default_rng([seed, many]))


def candidates(sizes_J: Sequence[float], many: int, seed: int) -> Floats:
    """Shares [N, J] from the wide laws, all at once: what a regression is asked about, never outside of what it saw."""
    prior_J = proportional(proportional(sizes_J) ** TEMPER)
    return _drawn(prior_J, many, STRENGTHS, np.random.default_rng([seed, many]))


def _drawn(mean_J: Floats, many: int, strengths: tuple[float, float], rng: np.random.Generator) -> Floats:
    low, high = np.log(strengths)
    parts_NJ = rng.standard_gamma(mean_J * np.exp(rng.uniform(low, high, (many, 1))))
    sums_N = parts_NJ.sum(1, keepdims=True)
    return parts_NJ[sums_N[:, 0] > 0] / sums_N[sums_N[:, 0] > 0]


def weights(shares: Mapping[str, float], mean_tokens: Mapping[str, float]) -> dict[str, float]:
    """A stage's weights, shares of samples that add up to 1, from shares of tokens and the mean tokens of a sample."""
    samples = {kind: share / mean_tokens[kind] for kind, share in shares.items()}
    total = sum(samples.values())
    return {kind: value / total for kind, value in samples.items()}
