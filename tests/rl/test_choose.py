"""Which question is asked: shares of tasks stay, hard questions come more often, and a resumed run draws the same."""

from __future__ import annotations

from collections import Counter

import pytest

from lapis.rl.choose import Chooser
from lapis.rl.rewards import Score
from lapis.types import Sample, Text, Turn


def question(number: int, kind: str) -> Sample:
    return Sample(kind, "en", "test", "CC0-1.0", (Turn("user", (Text(str(number)),)),), meta={"verifier": "number"})


def right(many: int, of: int) -> list[Score]:
    return [Score(1, float(place < many), 1, 0, 0, "") for place in range(of)]


def test_without_it_questions_come_in_their_order_over_and_over() -> None:
    chooser = Chooser([question(number, "math") for number in range(3)], 0.0, 0)
    assert [chooser.number(place) for place in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_two_arms_are_asked_as_often_as_they_are_wrong() -> None:
    """One is right in 1 of 4, the other in 3 of 4: by 1 - rate the shares are 3/4 and 1/4; half come in order."""
    asked = [question(0, "math"), question(1, "math")]
    chooser = Chooser(asked, 0.5, 7)
    chooser.learn(asked[0], right(1, 4))
    chooser.learn(asked[1], right(3, 4))
    drawn = Counter(chooser.number(place) for place in range(4000))
    assert drawn[0] / 4000 == pytest.approx(0.5 * 0.5 + 0.5 * 0.75, abs=0.03)


def test_tasks_keep_their_shares_however_hard_they_are() -> None:
    asked = [question(number, "math" if number % 4 else "screen") for number in range(40)]
    chooser = Chooser(asked, 1.0, 7)
    for sample in asked:
        chooser.learn(sample, right(4 if sample.kind == "math" else 0, 4))
    drawn = Counter(asked[chooser.number(place)].kind for place in range(400))
    assert drawn == {"math": 300, "screen": 100}


def test_it_comes_back_from_what_it_keeps() -> None:
    asked = [question(number, "math") for number in range(9)]
    one, other = Chooser(asked, 1.0, 3), Chooser(asked, 1.0, 3)
    one.learn(asked[4], right(0, 4))
    other.restore([list(pair) for pair in one.state()])
    assert other.rates == one.rates and [one.number(n) for n in range(50)] == [other.number(n) for n in range(50)]
