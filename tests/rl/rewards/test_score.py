"""Verdicts into rewards."""

from __future__ import annotations

import pytest

from lapis import config, verify
from lapis.rl.rewards import Score, mixed, shaped
from lapis.types import Completion

NUMBER = {"verifier": "number", "answer": "42"}


def answer(text: str, tokens: int = 4, closed: bool = True, finish: str = "stop", repeat: bool = False) -> Completion:
    ids = (5,) * tokens if repeat else tuple(range(tokens))
    return Completion(text, "", (1, 2), ids, (-0.5,) * tokens, (False,) * tokens, 2, finish, closed)


def score(group: list[Completion], meta: dict[str, str], weights: config.Reward, limit: int = 256) -> list[Score]:
    return shaped(group, [verify.check(meta, one.text, one.closed) for one in group], weights, limit)


def test_rewards_by_hand() -> None:
    weights = config.Reward(correct=1.0, format=0.1, repetition=0.2, overlong=0.3, tolerance=0.2, min_correct=0.3)
    group = [
        answer("42"),
        answer("42", tokens=12),
        answer("41"),
        answer("42", closed=False),
        answer("", repeat=True, tokens=16),
    ]
    scores = score(group, NUMBER, weights)
    assert [one.correct for one in scores] == [1, 1, 0, 0, 0]
    assert scores[0].reward == pytest.approx(1.1)
    assert scores[1].reward == pytest.approx(1.1 - 0.3 * (12 / 8 - 1.2))
    assert scores[2].reward == pytest.approx(0.1)
    assert scores[3].reward == pytest.approx(0.0)
    assert scores[4].reward == pytest.approx(-0.2 * (1 - 1 / 9))
    assert "41" in scores[2].reason


def test_only_mixed_groups_teach() -> None:
    weights = config.Reward()
    assert mixed(score([answer("42"), answer("7")], NUMBER, weights))
    assert not mixed(score([answer("42"), answer("42", tokens=40)], NUMBER, weights))
    assert not mixed(score([answer("1"), answer("2")], NUMBER, weights))


def test_nearness_to_the_limit_costs_any_answer() -> None:
    weights = config.Reward(correct=1.0, format=0.0, repetition=0.0, overlong=0.0, length=0.5, room=4)
    right, wrong, free = score([answer("42", 10), answer("7", 12), answer("42", 8)], NUMBER, weights, limit=12)
    assert [right.reward, wrong.reward, free.reward] == pytest.approx([1 - 0.5 * 2 / 4, -0.5, 1])
    assert score([answer("42", 12)], NUMBER, weights)[0].length == 0
