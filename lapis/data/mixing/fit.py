"""Regressions of held-out losses on shares of kinds, and the leave-one-out error that chooses among them.

- `linear`: loss on shares, the plain form of RegMix (arXiv 2407.01492);
- `law`: loss over a floor falls exponentially with shares (Data Mixing Laws, arXiv 2403.16952, equation 7);
- `log` and `power` (ours): the same two on logarithms of shares, as losses fall with the logarithm of tokens seen;
- `trees`: gradient boosting with stumps in the place of RegMix's LightGBM (trees.py).

Each loss has its own fit; one form serves all of them, the one whose mean over kinds comes nearest to runs that it has
not seen, because that mean is what is chosen by.

Shape legend: N runs, J kinds of shares, K losses, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lapis.data.mixing import trees

Floats = npt.NDArray[np.float64]
Predict = Callable[[Floats], Floats]
Fit = Callable[[Floats, Floats], Predict]
SMALLEST = 0.01
"""Share that is added before a logarithm is taken: below it a kind is hardly there."""
RIDGE = 1e-3
"""Weight of the squared coefficients on features of deviation 1, against the mean squared error."""
FLOORS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Floors of a loss that are tried, as parts of the least one seen."""


class Error(NamedTuple):
    """How well a form predicts the mean loss of runs that it has not seen."""

    rmse: float
    """Root mean squared error, in the losses' unit."""
    rank: float
    """Spearman's correlation of predicted and true order, RegMix's own measure."""


def _shares(x_NJ: Floats) -> Floats:
    return x_NJ


def logs(x_NJ: Floats) -> Floats:
    """Logarithms of shares, [N, J]."""
    return np.log(x_NJ + SMALLEST)


def _ridge(x_NF: Floats, y_N: Floats) -> Predict:
    """Least squares with an intercept; features are put to mean 0 and deviation 1 first."""
    mean_F, deviation_F = x_NF.mean(0), x_NF.std(0) + 1e-9
    scaled_NF = (x_NF - mean_F) / deviation_F
    gram_FF = scaled_NF.T @ scaled_NF + RIDGE * len(y_N) * np.eye(x_NF.shape[1])
    slope_F = np.linalg.solve(gram_FF, scaled_NF.T @ (y_N - y_N.mean()))
    return lambda x_MF: (x_MF - mean_F) / deviation_F @ slope_F + y_N.mean()


def _straight(features: Callable[[Floats], Floats]) -> Fit:
    def fit(x_NJ: Floats, y_N: Floats) -> Predict:
        inner = _ridge(features(x_NJ), y_N)
        return lambda x_MJ: inner(features(x_MJ))

    return fit


def _over_floor(features: Callable[[Floats], Floats]) -> Fit:
    """log(loss - floor) is straight; the floor is the one that fits best."""

    def fit(x_NJ: Floats, y_N: Floats) -> Predict:
        made = [_floored(features, x_NJ, y_N, part * float(y_N.min())) for part in FLOORS]
        return min(made, key=lambda predict: float(np.square(predict(x_NJ) - y_N).sum()))

    return fit


def _floored(features: Callable[[Floats], Floats], x_NJ: Floats, y_N: Floats, floor: float) -> Predict:
    inner = _ridge(features(x_NJ), np.log(np.maximum(y_N - floor, 1e-6)))
    return lambda x_MJ: floor + np.exp(inner(features(x_MJ)))


FORMS: dict[str, Fit] = {
    "linear": _straight(_shares),
    "log": _straight(logs),
    "law": _over_floor(_shares),
    "power": _over_floor(logs),
    "trees": trees.fit,
}
"""Every form, by name."""


def fitted(form: str, x_NJ: Floats, y_NK: Floats) -> Predict:
    """What predicts losses [M, K] of shares [M, J]: each loss by a fit of its own."""
    each = [FORMS[form](x_NJ, y_N) for y_N in y_NK.T]
    return lambda x_MJ: np.stack([predict(x_MJ) for predict in each], axis=1)


def left_out(form: str, x_NJ: Floats, y_NK: Floats) -> Floats:
    """Losses [N, K] of each run, predicted from all others."""
    runs = np.arange(len(x_NJ))
    return np.concatenate(
        [fitted(form, x_NJ[runs != run], y_NK[runs != run])(x_NJ[run : run + 1]) for run in runs.tolist()]
    )


def error_of(form: str, x_NJ: Floats, y_NK: Floats) -> Error:
    """The leave-one-out error of a form on the mean over losses."""
    mean_N, predicted_N = y_NK.mean(1), left_out(form, x_NJ, y_NK).mean(1)
    return Error(float(np.sqrt(np.square(predicted_N - mean_N).mean())), spearman(predicted_N, mean_N))


def errors(x_NJ: Floats, y_NK: Floats) -> dict[str, Error]:
    """The error of every form; the one with the least squared error is to be taken."""
    return {form: error_of(form, x_NJ, y_NK) for form in FORMS}


def least(found: Mapping[str, Error]) -> str:
    """The form with the least squared error."""
    return min(found, key=lambda form: found[form].rmse)


def spearman(one_N: Floats, other_N: Floats) -> float:
    """Rank correlation; 0 where one of both is constant."""
    if np.ptp(one_N) == 0 or np.ptp(other_N) == 0:
        return 0.0
    one, other = (np.argsort(np.argsort(values_N, kind="stable")).astype(np.float64) for values_N in (one_N, other_N))
    return float(np.corrcoef(one, other)[0, 1])
