"""Each regression finds the law that it is made for, and leave-one-out tells which one that is."""

from __future__ import annotations

import numpy as np
import pytest

from lapis.data.mixing import draw, fit, trees
from lapis.data.mixing.fit import Floats

SIZES = [5.0, 3.0, 1.0, 1.0]
SLOPES = np.array([[-1.0, 0.3, 0.2, 0.0], [0.1, -2.0, 0.0, 0.4]])


def law(form: str, x_NJ: Floats) -> Floats:
    """Losses [N, 2] that follow a form exactly."""
    features = np.log(x_NJ + fit.SMALLEST) if form in ("log", "power") else x_NJ
    straight = features @ SLOPES.T * (0.2 if form in ("log", "power") else 1.0)
    return straight + 3 if form in ("linear", "log") else 1.6 + np.exp(straight)


@pytest.mark.parametrize("form", ["linear", "log", "law", "power"])
def test_the_right_form_predicts_what_it_has_not_seen_and_is_chosen(form: str) -> None:
    x = draw.mixtures(SIZES, 40, 0)
    y = law(form, x) + np.random.default_rng(0).normal(0, 0.002, (40, 2))
    found = fit.errors(x, y)
    assert min(found, key=lambda name: found[name].rmse) == form
    assert found[form].rmse < 0.05 * y.mean(1).std() and found[form].rank > 0.98
    fresh = draw.mixtures(SIZES, 60, 1)[2:]
    assert np.allclose(fit.fitted(form, x, y)(fresh), law(form, fresh), atol=0.05)


def test_trees_take_steps_that_no_straight_form_can() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((80, 3))
    y = np.where(x[:, 1] > 0.5, 2.0, 0.0) + np.where(x[:, 0] > 0.3, 1.0, 0.0)
    found = fit.errors(x, y[:, None])
    assert min(found, key=lambda name: found[name].rmse) == "trees"
    assert np.abs(trees.fit(x, y)(x) - y).max() < 0.2
    assert np.allclose(trees.fit(x[:3], y[:3])(x), y[:3].mean())
    assert np.allclose(trees.fit(np.ones((9, 2)), y[:9])(x[:, :2]), y[:9].mean())


def test_a_split_is_the_best_of_all_splits() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.random((20, 3)), rng.normal(size=20)
    order = np.argsort(x, axis=0)
    stump = trees._split(np.take_along_axis(x, order, axis=0), (y - y.mean())[order])
    assert stump is not None

    def rest(feature: int, at: float) -> float:
        left = x[:, feature] <= at
        if min(left.sum(), (~left).sum()) < trees.LEAF:
            return float("inf")
        return float(np.square(y[left] - y[left].mean()).sum() + np.square(y[~left] - y[~left].mean()).sum())

    assert rest(stump.feature, stump.at) == pytest.approx(min(rest(f, at) for f in range(3) for at in x[:, f]))


def test_left_out_runs_are_not_seen() -> None:
    x = draw.mixtures(SIZES, 12, 0)
    y = np.random.default_rng(3).random((12, 1))
    y[5] = 100.0
    predicted = fit.left_out("linear", x, y)
    assert abs(predicted[5, 0]) < 50
    others = np.arange(12) != 5
    assert predicted[5, 0] == pytest.approx(fit.fitted("linear", x[others], y[others])(x[5:6])[0, 0])


def test_rank_correlation() -> None:
    one = np.array([1.0, 2.0, 3.0, 4.0])
    assert fit.spearman(one, one**3) == pytest.approx(1.0) and fit.spearman(one, -one) == pytest.approx(-1.0)
    assert fit.spearman(one, np.ones(4)) == 0.0
