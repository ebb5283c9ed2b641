"""What a metrics line tells of a step's answers, by hand."""

from __future__ import annotations

from dataclasses import replace

from lapis.rl import figures
from lapis.rl.rewards import Score
from lapis.rl.rewards.book import Book, Item, Judged
from lapis.rl.rollout import Group
from lapis.types import Verdict
from tests.rl.rewards.items import answer, check_here, item, sample

RIGHT = {"verifier": "number", "answer": "42"}


def scores(*rewards: float) -> list[Score]:
    return [Score(one, one, 1.0, 0.0, 0.0, "") for one in rewards]


def test_rewards_are_told_by_kind_and_answers_without_a_verdict_are_counted() -> None:
    exact, other = sample(RIGHT), replace(sample({"reward": "kind"}), kind="chat")
    two = (answer("42"), answer("41", tokens=6))
    groups = [
        (Group(exact, two, 0), scores(1, 0)),
        (Group(other, two, 0), scores(0.5, 0.75)),
        (Group(exact, two, 0), scores(1, 1)),
    ]
    line = figures.line(groups, [Judged(Verdict(1.0, ""))] * 6 + [Judged(None, "gone")] * 2)
    assert line["rewards"] == {"chat": 0.625, "math/arith": 0.75} and line["reward"] == 4.25 / 6
    assert line["failed"] == 2 and line["answer_tokens"] == 5 and "agreement" not in line
    assert figures.kinds(groups)["math/arith"] == {"n": 2, "correct": 0.75, "reward": 0.75, "thought_tokens": 2}


def test_a_model_beside_the_rules_is_asked_where_there_is_a_reference_and_changes_nothing() -> None:
    asked: list[str] = []

    def generous(items: list[Item]) -> list[Verdict]:
        asked.extend(one.answer.text for one in items)
        return [Verdict(float(one.answer.text != "0"), "the model") for one in items]

    def half(items: list[Item]) -> list[Verdict]:
        return [Verdict(0.5, "")] * len(items)

    rewards = {"number": check_here, "point": check_here, "kind": half, "model": generous}
    point = item({"verifier": "point", "box": [0, 0, 9, 9]}, "(5,5)")
    items = [item(RIGHT, "42"), item(RIGHT, "41"), item(RIGHT, "0"), point, item({"reward": "kind"}, "x")]
    plain, found = (Book(rewards, beside=name).judge(items) for name in ("", "model"))  # type: ignore[arg-type]
    assert [replace(one, second=None) for one in found] == plain and all(one.second is None for one in plain)
    assert sorted(asked) == ["0", "41", "42"] and [one.second is None for one in found] == [False] * 3 + [True] * 2
    told = figures.line([], found)["agreement"]
    assert (told["both_right"], told["model_only"], told["rules_only"], told["both_wrong"]) == (1, 1, 0, 1)
    assert told["equal"]["value"] == 2 / 3 and told["silent"] == 0
    assert Judged.of(found[0].facts()) == found[0]
    silent = [replace(one, second=Judged(None, "no reply")) for one in plain[:2]]
    assert figures.beside(silent) == {"silent": 2}
