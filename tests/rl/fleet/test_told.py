"""Alarms, and the rules that stop a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from lapis.rl.fleet.pool import Step
from lapis.rl.fleet.told import Watch, by_task
from lapis.rl.rewards import Score
from lapis.rl.rollout import Group
from tests.rl.fleet.made import sample, stage


def line(step: int, mismatch: float = 0.0, asked: int = 4, failed: int = 0) -> dict[str, Any]:
    return {"step": step, "mismatch_kl": mismatch, "asked": asked, "failed": failed}


def nothing(**reasons: int) -> Step:
    return Step([], [], Counter(reasons), 0)


def test_mismatch_is_told_and_three_steps_of_too_much_end_the_run(tmp_path: Path) -> None:
    watch = Watch(stage(), tmp_path)
    found = [watch.check(line(n, kl), nothing()) for n, kl in enumerate((0.01, 0.2, 2.0, 2.0, 0.2, 2.0, 2.0, 2.0))]
    assert found[:-1] == [""] * 7 and "mismatch KL over 1 for 3 steps" in found[-1]
    told = [json.loads(one) for one in (tmp_path / "alarms.jsonl").read_text().splitlines()]
    assert [one["step"] for one in told] == [1, 2, 3, 4, 5, 6, 7] and "0.2 nats" in told[0]["alarm"]


def test_more_failures_than_their_share_end_the_run_with_the_commonest_reason(tmp_path: Path) -> None:
    watch = Watch(stage(group=2), tmp_path)
    assert watch.check(line(1, asked=9, failed=1), nothing(late=1)) == ""
    assert watch.check(line(2, asked=4, failed=3), nothing(late=1, broken=2)) == "3 of 14 answers failed, 2 by: broken"


def test_a_step_that_is_no_number_may_happen_once(tmp_path: Path) -> None:
    watch, facts = Watch(stage(), tmp_path), {"broken": 0}
    assert watch.broken("", 1, facts) == "" and watch.broken("step 2: loss is nan", 2, facts) == ""
    assert "second time" in watch.broken("step 5: loss is inf", 5, facts) and facts["broken"] == 2


def test_rewards_are_told_by_task() -> None:
    told = (("math/word", (1.0, 0.0)), ("screen/ground", (0.5,)), ("math/word", (0.5, 0.5, 0.0)))
    groups = [
        (Group(sample(number, kind), (), 0), [Score(reward, 0, 0, 0, 0, "") for reward in rewards])
        for number, (kind, rewards) in enumerate(told)
    ]
    assert by_task(groups) == {"math/word": 0.4, "screen/ground": 0.5}
