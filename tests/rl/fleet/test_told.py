"""Alarms, and the rules that stop a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lapis.rl.fleet.pool import Step
from lapis.rl.fleet.told import Watch
from tests.rl.fleet.made import stage


def line(step: int, mismatch: float = 0.0) -> dict[str, Any]:
    return {"step": step, "mismatch_kl": mismatch}


def nothing(fault: str = "") -> Step:
    return Step([], [], [], 0, fault)


def test_mismatch_is_told_and_three_steps_of_too_much_end_the_run(tmp_path: Path) -> None:
    watch = Watch(stage(), tmp_path)
    found = [watch.check(line(n, kl), nothing()) for n, kl in enumerate((0.01, 0.2, 2.0, 2.0, 0.2, 2.0, 2.0, 2.0))]
    assert found[:-1] == [""] * 7 and "mismatch KL over 1 for 3 steps" in found[-1]
    told = [json.loads(one) for one in (tmp_path / "alarms.jsonl").read_text().splitlines()]
    assert [one["step"] for one in told] == [1, 2, 3, 4, 5, 6, 7] and "0.2 nats" in told[0]["alarm"]


def test_failures_that_are_too_many_end_the_run(tmp_path: Path) -> None:
    watch = Watch(stage(), tmp_path)
    assert watch.check(line(1), nothing()) == "" and watch.check(line(2), nothing("3 of 4")) == "3 of 4"


def test_a_step_that_is_no_number_may_happen_once(tmp_path: Path) -> None:
    watch, facts = Watch(stage(), tmp_path), {"broken": 0}
    assert watch.broken("", 1, facts) == "" and watch.broken("step 2: loss is nan", 2, facts) == ""
    assert "second time" in watch.broken("step 5: loss is inf", 5, facts) and facts["broken"] == 2
