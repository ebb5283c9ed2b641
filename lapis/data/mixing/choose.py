"""The mixture with the least predicted mean loss, with error bars from runs drawn anew.

As in RegMix (arXiv 2407.01492) very many mixtures are predicted and the best ones averaged, so that no single lucky
guess of the regression is taken. Error bars are the bootstrap's over runs (ours).

Shape legend: N runs, J kinds, K losses, M candidates, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapis.data.mixing import draw
from lapis.data.mixing.fit import Error, Predict, errors, fitted, least

Floats = npt.NDArray[np.float64]
CANDIDATES, BEST = 20_000, 50
"""Mixtures that are predicted, and how many of the best are averaged."""
LEVELS = (2.5, 97.5)
"""Percentiles of the error bars."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the runs say."""

    shares_J: Floats
    """Shares of tokens."""
    low_J: Floats
    high_J: Floats
    form: str
    errors: dict[str, Error]
    spread: float
    """Deviation of the runs' mean losses: what an error is to be compared with."""
    predict: Predict
    """Losses [M, K] of shares [M, J] by all runs."""


def choose(sizes_J: Floats, x_NJ: Floats, y_NK: Floats, resamples: int, seed: int) -> Choice:
    """The best mixture by the form of regression that predicts best. `y_NK` are held-out losses, whose mean counts."""
    found = errors(x_NJ, y_NK)
    form = least(found)
    predict = fitted(form, x_NJ, y_NK)
    tried_MJ = _asked(sizes_J, predict, seed)
    again_RJ = np.stack([_resampled(form, x_NJ, y_NK, tried_MJ, seed, number) for number in range(resamples)])
    low_J, high_J = np.percentile(again_RJ, LEVELS, axis=0)
    return Choice(best(predict, tried_MJ), low_J, high_J, form, found, float(y_NK.mean(1).std()), predict)


def so_far(sizes_J: Floats, x_NJ: Floats, y_NK: Floats, seed: int) -> Floats:
    """The best mixture [J] that the runs until now tell: where the next ones are drawn."""
    predict = fitted(least(errors(x_NJ, y_NK)), x_NJ, y_NK)
    return best(predict, _asked(sizes_J, predict, seed))


def _asked(sizes_J: Floats, predict: Predict, seed: int) -> Floats:
    """Candidates [M, J]: from everywhere that runs are drawn, and as many near the best of those."""
    wide_MJ = draw.candidates(sizes_J.tolist(), CANDIDATES, seed)
    return np.concatenate([wide_MJ, draw.around(best(predict, wide_MJ), CANDIDATES, seed)])


def best(predict: Predict, tried_MJ: Floats) -> Floats:
    """Mean [J] of the candidates with the least predicted mean loss."""
    mean_M = predict(tried_MJ).mean(1)
    return tried_MJ[np.argsort(mean_M, kind="stable")[:BEST]].mean(0)


def _resampled(form: str, x_NJ: Floats, y_NK: Floats, tried_MJ: Floats, seed: int, number: int) -> Floats:
    rows = np.random.default_rng([seed, number]).integers(0, len(x_NJ), len(x_NJ))
    return best(fitted(form, x_NJ[rows], y_NK[rows]), tried_MJ)
