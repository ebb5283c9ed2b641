"""Mixtures are drawn around the sizes, reach far from them, and become weights of samples."""

from __future__ import annotations

import numpy as np
import pytest

from lapis.data.mixing import draw

SIZES = [8e6, 1e6, 1e6, 3e5]


def test_mixtures_begin_with_the_plain_ones_and_a_longer_draw_with_the_shorter() -> None:
    many = draw.mixtures(SIZES, 40, 0)
    assert np.allclose(many[0], 0.25) and np.allclose(many[1], np.array(SIZES) / sum(SIZES))
    assert np.array_equal(draw.mixtures(SIZES, 12, 0), many[:12])
    assert np.allclose(many.sum(1), 1) and (many >= 0).all()
    assert not np.allclose(draw.mixtures(SIZES, 12, 1)[2:], many[2:12])


def test_candidates_have_the_prior_as_their_mean_and_reach_its_corners() -> None:
    drawn = draw.candidates(SIZES, 20000, 0)
    prior = np.sqrt(SIZES) / np.sqrt(SIZES).sum()
    assert np.allclose(drawn.sum(1), 1) and np.allclose(drawn.mean(0), prior, atol=0.01)
    assert (drawn.max(0) > 0.95).all() and (drawn.min(0) < 0.01).all()


def test_weights_are_shares_of_samples() -> None:
    found = draw.weights({"long": 0.8, "short": 0.2}, {"long": 400.0, "short": 50.0})
    assert found == pytest.approx({"long": 1 / 3, "short": 2 / 3})
    tokens = {kind: weight * {"long": 400, "short": 50}[kind] for kind, weight in found.items()}
    assert tokens["long"] / sum(tokens.values()) == pytest.approx(0.8)
