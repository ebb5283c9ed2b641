"""The mixture with the least predicted mean loss, with error bars from runs drawn anew.

As in RegMix (arXiv 2407.01492) very many mixtures are predicted and the best ones averaged, so that no single lucky
guess of the regression is taken. Error bars are the bootstrap's over proxy runs (ours). What is best for a small model
that saw few tokens is not best for a larger one that saw more, so a few runs of the recipe's own decoder correct what
the proxies say, by kind (ours).

Shape legend: N runs, J kinds, K losses, M candidates, R resamples, W runs of the recipe's own decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapis.data.mixing import draw
from lapis.data.mixing.fit import Error, Predict, errors, fitted, least, logs

Floats = npt.NDArray[np.float64]
CANDIDATES, BEST = 20_000, 50
"""Mixtures that are predicted, and how many of the best are averaged."""
LEVELS = (2.5, 97.5)
"""Percentiles of the error bars."""
FIRM = 1.0
"""Weight of a correction's squared slopes: without evidence all mixtures are corrected alike."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Mixtures and the held-out losses of their runs."""

    x_NJ: Floats
    y_NK: Floats


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


def choose(sizes_J: Floats, proxies: Runs, whole: Runs, resamples: int, seed: int) -> Choice:
    """The best mixture by the form of regression that predicts the proxies best; their losses' mean over kinds counts.
    `whole` are runs of the recipe's own decoder, perhaps none."""
    found, form, predict = _read(proxies, whole)
    tried_MJ = _asked(sizes_J, predict, seed)
    again_RJ = np.stack([_resampled(form, proxies, whole, tried_MJ, seed, number) for number in range(resamples)])
    low_J, high_J = np.percentile(again_RJ, LEVELS, axis=0)
    return Choice(best(predict, tried_MJ), low_J, high_J, form, found, float(proxies.y_NK.mean(1).std()), predict)


def so_far(sizes_J: Floats, proxies: Runs, whole: Runs, seed: int) -> Floats:
    """The best mixture [J] that the runs until now tell: where the next ones are."""
    predict = _read(proxies, whole)[2]
    return best(predict, _asked(sizes_J, predict, seed))


def _read(proxies: Runs, whole: Runs) -> tuple[dict[str, Error], str, Predict]:
    """The errors of all forms, the best one, and what it predicts."""
    found = errors(proxies.x_NJ, proxies.y_NK)
    form = least(found)
    return found, form, corrected(fitted(form, proxies.x_NJ, proxies.y_NK), whole)


def corrected(predict: Predict, whole: Runs) -> Predict:
    """What is predicted, plus what runs of the recipe's own decoder had beside it: a straight line on the logarithms of
    shares for each loss."""
    if not len(whole.x_NJ):
        return predict
    logs_WJ, beside_WK = logs(whole.x_NJ), whole.y_NK - predict(whole.x_NJ)
    mean_J, mean_K = logs_WJ.mean(0), beside_WK.mean(0)
    centred_WJ = logs_WJ - mean_J
    gram_JJ = centred_WJ.T @ centred_WJ + FIRM * np.eye(len(mean_J))
    slope_JK = np.linalg.solve(gram_JJ, centred_WJ.T @ (beside_WK - mean_K))
    return lambda x_MJ: predict(x_MJ) + (logs(x_MJ) - mean_J) @ slope_JK + mean_K


def _asked(sizes_J: Floats, predict: Predict, seed: int) -> Floats:
    """Candidates [M, J]: from everywhere that runs are drawn, and as many near the best of those."""
    wide_MJ = draw.candidates(sizes_J.tolist(), CANDIDATES, seed)
    return np.concatenate([wide_MJ, draw.around(best(predict, wide_MJ), CANDIDATES, seed)])


def best(predict: Predict, tried_MJ: Floats) -> Floats:
    """Mean [J] of the candidates with the least predicted mean loss."""
    mean_M = predict(tried_MJ).mean(1)
    return tried_MJ[np.argsort(mean_M, kind="stable")[:BEST]].mean(0)


def _resampled(form: str, proxies: Runs, whole: Runs, tried_MJ: Floats, seed: int, number: int) -> Floats:
    rows = np.random.default_rng([seed, number]).integers(0, len(proxies.x_NJ), len(proxies.x_NJ))
    return best(corrected(fitted(form, proxies.x_NJ[rows], proxies.y_NK[rows]), whole), tried_MJ)
