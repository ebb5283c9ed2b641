"""Judges' processes: batches, a process that dies, and the same where the loop runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import ray

from lapis.reward_config import Rewards
from lapis.rl.fleet.judge import BATCH, Judges
from lapis.rl.fleet.messages import Judgement
from lapis.rl.rewards.book import Book, Item, Judged
from lapis.rl.rewards.made import book_of
from lapis.types import Verdict
from tests.rl.rewards.items import answer, item


def sized(items: Sequence[Item]) -> list[Verdict]:
    """How many were given at once."""
    return [Verdict(1.0, str(len(items))) for _ in items]


def sizes() -> Book:
    return Book({"number": sized})


def deadly(folder: Path) -> Book:
    """An x kills the process that reads it, `once` only the first one."""

    def reward(items: Sequence[Item]) -> list[Verdict]:
        texts = [one.answer.text for one in items]
        if "once" in texts and not (folder / "dead").exists():
            (folder / "dead").touch()
            os._exit(1)
        if "x" in texts:
            os._exit(1)
        return [Verdict(1.0, "fine")] * len(items)

    return Book({"number": reward})


def number(text: str) -> Item:
    return item({"verifier": "number", "answer": "42"}, text)


def all_of(judges: Judges, many: int) -> dict[int, Judged]:
    found: list[Judgement] = []
    while len(found) < many:
        found += judges.done(ray.wait(judges.refs)[0] if judges.refs else [])
    return {one.key[0]: one.judged for one in found}


def test_verdicts_made_here_wait_for_nothing() -> None:
    judges = Judges(0, sizes)
    assert not judges.ready
    judges.ask((0, 0), number("42"))
    assert judges.ready and len(judges.done([])) == 1 and not judges.ready


def test_a_judge_takes_what_waits_at_once(ray_here: str) -> None:
    judges = Judges(1, sizes)
    for place in range(4 + BATCH):
        judges.ask((place, 0), number("1"))
    found = all_of(judges, 4 + BATCH)
    judges.dismiss()
    reasons = [found[place].verdict.reason for place in sorted(found)]  # type: ignore[union-attr]
    assert reasons == ["1"] + [str(BATCH)] * BATCH + ["3"] * 3


def test_answers_of_a_judge_that_dies_are_judged_again_and_what_kills_judges_is_given_up(
    ray_here: str, tmp_path: Path
) -> None:
    judges = Judges(1, partial(deadly, tmp_path))
    texts = ["a", "b", "x", "c", "once", "d"]
    for place, text in enumerate(texts):
        judges.ask((place, 0), number(text))
    found = all_of(judges, len(texts))
    judges.dismiss()
    fine = {texts[place] for place, one in found.items() if one == Judged(Verdict(1.0, "fine"))}
    assert fine == {"a", "b", "c", "once", "d"} and found[2] == Judged(None, "two judges died with it")


@pytest.mark.parametrize("many", [0, 2])
def test_the_configs_rewards_judge_in_processes_as_they_do_here(many: int, ray_here: str) -> None:
    judges = Judges(many, partial(book_of, Rewards(own={"odd": "tests.rl.rewards.checks:odd"}), "cpu"))
    odd = Item(item({"reward": "odd"}).sample, answer("abc"))
    throws = Item(odd.sample, answer("throw"))
    items = [number("42"), number("41"), odd, throws, item({"reward": "nobody"})]
    found = judges.judge(items)
    judges.dismiss()
    assert [one.verdict and one.verdict.score for one in found] == [1, 0, 1, None, None]
    assert found[3].reason == "odd: ValueError: no such luck" and found[4].reason == "no reward named 'nobody'"
