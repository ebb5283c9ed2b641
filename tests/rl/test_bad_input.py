"""The loop in one process goes on whatever its questions, answers and rewards are; too many failures stop it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lapis.reward_config import Rewards
from lapis.rl import loop
from lapis.rl.rollout import request, written
from lapis.types import Completion, InputError, Request, Silent
from tests.rl import bad, letters


def test_a_bad_sample_is_dropped_with_its_reason_and_the_run_goes_on(tmp_path: Path) -> None:
    letters.write(tmp_path, bad.questions())
    loop.run(replace(letters.STAGE, rewards=bad.REWARDS), letters.recipe(), tmp_path, Silent())
    done = json.loads((tmp_path / "rl" / "done.json").read_text())
    assert done["left_out"] == bad.LEFT_OUT
    assert done["failed"] == dict.fromkeys(bad.FAILED, 2)
    lines = [json.loads(line) for line in (tmp_path / "rl" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert sum(line["failed"] for line in lines) == 10 and sum(line["asked"] for line in lines) == 7
    assert sum(line["groups"] for line in lines) > 0


def test_answers_that_are_no_text_are_dropped_and_count_as_wrong_where_held_out(tmp_path: Path) -> None:
    letters.write(tmp_path, letters.choices(0, 12), half=True)
    loop.run(replace(letters.STAGE, rewards=Rewards(failures=1.0)), letters.recipe(), tmp_path, Silent())
    done = json.loads((tmp_path / "rl" / "done.json").read_text())
    assert done["failed"] == {bad.HALF: 24} and done["left_out"] == {}
    assert done["after"]["failed"] == 4 * letters.STAGE.held_samples and done["after"]["correct"] == 0


def test_too_many_failures_stop_it_with_a_checkpoint_from_which_it_goes_on(tmp_path: Path) -> None:
    own = {"mine": "tests.rl.bad:naughty"}
    asked = [letters.question(place, {"reward": "mine", "does": "throw"}) for place in range(12)]
    stage = replace(letters.STAGE, rewards=Rewards(own=own, failures=0.2))
    letters.write(tmp_path, asked)
    line = "rl: 8 of the last 8 answers have no verdict, more than 20% of 24; mostly .* 8.: mine: ValueError: no such"
    with pytest.raises(InputError, match=line):
        loop.run(stage, letters.recipe(), tmp_path, Silent())
    assert (tmp_path / "rl" / "checkpoint" / "step-00000001").is_dir() and not (tmp_path / "rl" / "done.json").exists()
    mended = replace(stage, rewards=Rewards(own={"mine": "tests.rl.rewards.checks:odd"}, failures=0.2))
    loop.run(mended, letters.recipe(), tmp_path, Silent())
    done = json.loads((tmp_path / "rl" / "done.json").read_text())
    assert done["steps"] == 3 and done["failed"] == {"mine: ValueError: no such luck": 8}


class Picky:
    """Refuses all of its requests for one that is odd."""

    calls = 0

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.calls += 1
        if any(one.seed == 5 for one in requests):
            raise InputError("five")
        return [Completion(str(one.seed), "", (), (), (), (), 0, "stop", True) for one in requests]


def test_a_question_that_cannot_be_asked_costs_no_other() -> None:
    sample, picky = letters.choices(0, 1)[0], Picky()
    asked = [[request(sample, 1, 1.0, seed) for seed in (2 * place, 2 * place + 1)] for place in range(8)]
    found = written(picky, asked)
    texts = [one if isinstance(one, str) else [answer.text for answer in one] for one in found]
    good = [[str(2 * place), str(2 * place + 1)] for place in range(8)]
    assert texts == [*good[:2], "five", *good[3:]] and picky.calls == 7
