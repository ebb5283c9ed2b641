"""Rewards by name: whatever one does, the others' items are judged, and the failed ones have a reason."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lapis import config
from lapis.reward_config import Rewards
from lapis.rl.rewards.apart import Apart
from lapis.rl.rewards.book import Book, Failed, Failures, Item, Judged
from lapis.rl.rewards.made import book_of
from lapis.rl.rewards.mix import failures_of, scored, task_weights, teaches
from lapis.rl.rewards.score import Score
from lapis.types import Image, InputError, Verdict
from tests.rl.rewards.checks import odd
from tests.rl.rewards.items import answer, check_here, item, sample

NUMBER = {"verifier": "number", "answer": "42"}
BLANK = Image(b"", 4, 4)


def by(found: Any) -> Any:
    """A reward that returns this for every item, or raises it."""

    def reward(items: Sequence[Item]) -> Sequence[Any]:
        if isinstance(found, Exception) and not isinstance(found, Failed):
            raise found
        return [found] * len(items)

    return reward


@pytest.mark.parametrize(
    ("reward", "reason"),
    [
        (by(ValueError("boom")), "own: ValueError: boom"),
        (by(Verdict(math.nan, "")), "own: returned nan, expected a verdict with a finite number"),
        (by(Verdict("good", "")), "own: returned 'good', expected a verdict with a finite number"),  # type: ignore[arg-type]
        (by("good"), "own: returned 'good', expected a verdict with a finite number"),
        (by(1.0), "own: returned 1.0, expected a verdict with a finite number"),
        (by(Failed("asleep")), "own: asleep"),
        (lambda items: [], "own: returned [] for 1 answers"),
        (lambda items: None, "own: returned None for 1 answers"),
    ],
)
def test_what_is_no_verdict_has_a_reason(reward: Any, reason: str) -> None:
    assert Book({"own": reward}).judge([item({"reward": "own"})]) == [Judged(None, reason)]


def test_items_without_a_reward_that_can_judge_them() -> None:
    rewards = Book({"own": by(Verdict(1, ""))})
    for bad, reason in (
        (item({"reward": "nobody"}), "no reward named 'nobody'"),
        (item({}), "no reward named ''"),
        (item({"reward": "own"}, "caf\ufffd"), "the answer is no valid UTF-8"),
        (item({"reward": "own"}, "half \ud83d"), "the answer is no valid UTF-8"),
        (item({"reward": "own"}, "x", BLANK), "an image is missing"),
    ):
        good = item({"reward": "own"})
        assert rewards.judge([bad, good]) == [Judged(None, reason), Judged(Verdict(1, ""))]


def test_one_bad_item_takes_no_other_with_it() -> None:
    def picky(items: Sequence[Item]) -> list[Verdict]:
        if any(one.answer.text == "bad" for one in items):
            raise KeyError("bad")
        return [Verdict(0.5, "")] * len(items)

    found = Book({"own": picky}).judge([item({"reward": "own"}, text) for text in ("a", "bad", "b")])
    assert [one.verdict for one in found] == [Verdict(0.5, ""), None, Verdict(0.5, "")]
    assert found[1].reason == "own: KeyError: 'bad'"


def test_a_reward_that_hangs_is_left_behind() -> None:
    never = threading.Event()

    def hangs(items: Sequence[Item]) -> list[Verdict]:
        never.wait()
        return []

    found = Book({"hangs": hangs, "own": by(Verdict(1, ""))}, seconds=0.02).judge(
        [item({"reward": "hangs"}), item({"reward": "own"})]
    )
    never.set()
    assert found == [Judged(None, "hangs: no verdict within 0.02 s"), Judged(Verdict(1, ""))]


@pytest.fixture(scope="module")
def processes() -> Iterator[Apart]:
    with Apart(odd, seconds=1.0) as found:
        yield found


def test_processes_of_their_own_outlive_what_hangs_dies_and_throws(processes: Apart) -> None:
    texts = ("abc", "hang", "die", "throw", "ab", "unsure")
    found = Book({"odd": processes}).judge([item({"reward": "odd"}, text) for text in texts])
    assert [one.verdict and one.verdict.score for one in found] == [1, None, None, None, 0, None]
    assert found[5].reason == "odd: nobody can tell"
    assert "killed" in found[1].reason and "died" in found[2].reason and "no such luck" in found[3].reason


def test_expressions_are_checked_from_a_thread(processes: Apart) -> None:
    rewards = book_of(Rewards(own={"mine": "tests.rl.rewards.checks:odd"}))
    half = {"verifier": "number", "answer": "1/2"}
    box: list[Judged] = []
    items = [item(half, r"\frac{2}{4}"), item(half, "0.25"), item({"reward": "mine", "more": 2}, "abc")]
    thread = threading.Thread(target=lambda: box.extend(rewards.judge(items)))
    thread.start(), thread.join()
    assert [one.verdict and one.verdict.score for one in box] == [1, 0, 3]
    rewards.close()


def test_a_check_that_cannot_be_imported_is_refused() -> None:
    with pytest.raises(InputError, match="rewards.own.mine: 'nowhere:check' cannot be imported"):
        book_of(Rewards(own={"mine": "nowhere:check"}))


def test_failures_stop_a_run_above_their_share_of_the_window() -> None:
    good, bad = Judged(Verdict(0, "wrong is a verdict")), Judged(None, "no reward named 'x'")
    failures = Failures(share=0.25, window=8)
    failures.add([bad, bad, good])
    assert failures.stop() == ""
    failures.add([bad])
    assert failures.stop() == (
        "3 of the last 4 answers have no verdict, more than 25% of 8; mostly (of 3 in all, 3): no reward named 'x'"
    )
    assert failures.stop() == "", "what stopped a run does not stop it again when it goes on"
    calm = Failures(share=0.25, window=8)
    calm.add([good, good, good, bad] * 20)
    assert calm.stop() == "" and calm.facts()["seen"] == 80 and calm.facts()["failed"] == {bad.reason: 20}
    again = Failures(share=0.25, window=8)
    again.restore(json.loads(json.dumps(calm.facts())))
    again.add([bad, bad])
    assert "4 of the last 8" in again.stop()
    few = config.RL("rl", "sft", {"math": 1.0}, steps=2, prompts=3, group=4)
    assert failures_of(few).window == 24 and failures_of(replace(few, steps=200)).window == 200


def test_exact_and_judged_groups_mix_in_one_batch() -> None:
    grades = iter([0.9, 0.7, 0.8])
    rewards = Book({"number": check_here, "judge": lambda items: [Verdict(next(grades), "") for _ in items]})
    weights = config.Reward(correct=1.0, format=0.0, repetition=0.0, overlong=0.0)
    stage = config.RL("rl", "sft", {"math": 1.0}, steps=2, reward=weights)
    answers = [answer("42"), answer("41"), answer("40")]
    exact, judged = sample(NUMBER), sample({"reward": "judge"}, kind="chat")
    items = [Item(question, each) for question in (exact, judged) for each in answers]
    said = rewards.judge(items)
    one, two = scored(answers, said[:3], stage), scored(answers, said[3:], stage)
    assert one and [each.reward for each in one] == [1, 0, 0] and teaches(exact, one)
    assert two and [each.reward for each in two] == [0.9, 0.7, 0.8] and teaches(judged, two)
    same = [Score(0.9, 0.9, 1, 0, 0, ""), Score(0.6, 0.6, 1, 0, 0, "")]
    assert not teaches(exact, same), "both are right, and how right does not count"
    assert not teaches(judged, [same[0]] * 2)
    assert scored(answers, [*said[:2], Judged(None, "gone")], stage) is None, "groups train whole"


def test_task_weights_by_hand() -> None:
    weights = {"math": 2.0, "math/word": 0.0, "chat": 1.0}
    # raw 2, 0, 1, 1: their mean is 1.
    assert task_weights(["math/arith", "math/word", "chat", "screen/qa"], weights) == [2, 0, 1, 1]
    assert task_weights(["math/arith", "chat"], weights) == pytest.approx([4 / 3, 2 / 3])
    assert task_weights(["math/word"], weights) == [0] and task_weights(["a", "b"], {}) == [1, 1]
