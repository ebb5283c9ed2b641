"""The pieces of the reward against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from lapis.rl.shaping import correctness, format_score, group_overlong, near_limit, repetition
from lapis.types import Verdict


@pytest.mark.parametrize(("score", "expected"), [(1, 1), (0.25, 0.25), (3, 1), (-1, 0), (math.nan, 0), (math.inf, 0)])
def test_correctness_is_held_to_its_range(score: float, expected: float) -> None:
    assert correctness(Verdict(score, "")) == expected


def test_format_wants_a_closed_thought_an_answer_and_a_stop() -> None:
    assert format_score("42", True, "stop") == 1
    assert format_score(" \n", True, "stop") == 0
    assert format_score("42", False, "stop") == 0
    assert format_score("42", True, "length") == 0


def test_repetition_counts_n_grams_that_stood_before() -> None:
    assert repetition([1, 2, 3, 4], size=2) == 0
    assert repetition([1, 2, 1, 2, 1], size=2) == pytest.approx(1 - 2 / 4)
    assert repetition([7] * 10, size=3) == pytest.approx(1 - 1 / 8)
    assert repetition([1, 2], size=3) == 0


def test_group_overlong_by_hand() -> None:
    # Correct lengths 50, 100, 150, 300: mean 150, free up to 180, all is lost from 330 on.
    lengths, correct = [50, 100, 150, 300, 900], [True, True, True, True, False]
    lost = group_overlong(lengths, correct, most=0.3, tolerance=0.2, min_correct=0.3)
    assert lost == pytest.approx([0, 0, 0, 0.3 * (300 / 150 - 1.2), 0])


def test_group_overlong_is_capped() -> None:
    lost = group_overlong([1] * 9 + [1000], [True] * 10, most=0.3, tolerance=0.2, min_correct=0.3)
    assert lost == pytest.approx([0.0] * 9 + [0.3])


def test_group_overlong_spares_hard_groups() -> None:
    lengths = [10, 20, 400, 10]
    assert group_overlong(lengths, [False, False, True, False], 0.3, 0.2, min_correct=0.3) == [0] * 4
    assert group_overlong(lengths, [False] * 4, 0.3, 0.2, min_correct=0.0) == [0] * 4


def test_nearness_to_the_limit_by_hand() -> None:
    # Limit 100, room 20: free up to 80, half at 90, all from 100 on.
    assert [near_limit(length, 100, 20) for length in (0, 80, 90, 95, 100, 130)] == [0, 0, 0.5, 0.75, 1, 1]
