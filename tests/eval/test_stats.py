"""Intervals against published values, coverage, and their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from lapis.eval import stats
from lapis.eval.goals import GOALS


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_published_values(correct: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, table I, method 3."""
    found = stats.wilson(correct, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert found.value == correct / n and found.n == n


@given(some.integers(1, 500), some.floats(0, 1))
def test_wilson_holds_its_value_and_stays_a_share(n: int, part: float) -> None:
    found = stats.wilson(int(n * part), n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (3, 2), (-1, 5)])
def test_no_share_of_nothing(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= correct"):
        stats.wilson(correct, n)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(120):
        both = rng.random((2, 150)) < [[0.6], [0.4]]
        found = stats.difference(both[0].tolist(), both[1].tolist())
        held += found.low <= 0.2 <= found.high
    assert 0.88 <= held / 120 <= 1.0


def test_bootstrap_is_seeded_and_paired() -> None:
    first, second = [1, 0, 1, 1, 0, 1] * 20, [0, 0, 1, 0, 0, 1] * 20
    assert stats.difference(first, second) == stats.difference(first, second)
    same = stats.difference(first, first)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="paired cases: 2 and 1"):
        stats.difference([1, 0], [1])


def test_relative_change() -> None:
    found = stats.relative([1.2] * 10, [1.0] * 10)
    assert found.value == pytest.approx(0.2) and found.low == pytest.approx(0.2)
    assert stats.relative([0, 0], [0, 0]).value == 0
    nothing = stats.relative([1, 1], [0, 0])
    assert nothing.value == np.inf
    assert nothing.entry() == {"value": None, "low": None, "high": None, "n": 2}


def test_goals_are_hit_on_their_own_side() -> None:
    wall, gain = GOALS["wall_seconds"], GOALS["rl_gain"]
    assert wall.hit(2300, wall.of("pocket")) and not wall.hit(2401, wall.of("pocket"))
    assert wall.hit(2401, wall.of("desk"))
    assert gain.hit(0.1, gain.of("pocket")) and not gain.hit(0.09, gain.of("pocket"))
    assert GOALS["grounding_unseen"].hit(0.0, GOALS["grounding_unseen"].of("desk")) is None
