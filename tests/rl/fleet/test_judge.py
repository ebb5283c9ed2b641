"""Answers judged one by one: checks that throw, hang, kill their process, or say what is no number."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import pytest

from lapis.rl.fleet.judge import Check, Judged, Judges, by_rules
from lapis.types import Completion, Sample, Verdict
from tests.rl.fleet.made import answer, sample

ray = pytest.importorskip("ray")


def rules() -> Check:
    return by_rules


def naughty() -> Check:
    """Behaves by the answer's text."""

    def check(one: Sample, completion: Completion) -> Verdict:
        number = len(completion.token_ids)
        if number == 1:
            raise ValueError("no")
        if number == 2:
            time.sleep(1000)
        if number == 3:
            os._exit(1)
        said: dict[int, Any] = {4: Verdict(math.nan, ""), 5: "right", 6: Verdict("1", "")}  # type: ignore[arg-type]
        return said.get(number, Verdict(1.0, "fine"))

    return check


def all_of(judges: Judges, many: int) -> dict[int, Judged]:
    found: list[Judged] = []
    while len(found) < many:
        done = ray.wait(judges.refs, timeout=0.2)[0] if judges.refs else []
        found += judges.done(done)
    return {one.key[0]: one for one in found}


@pytest.mark.parametrize("many", [0, 1])
def test_a_check_that_misbehaves_costs_its_answer_alone(many: int, ray_here: str) -> None:
    judges = Judges(many, naughty, patience=3)
    tokens = (1, 4, 5, 6, 7) if many == 0 else (1, 7, 2, 8, 3, 9)
    for number in tokens:
        judges.ask(sample(number), answer(number, 0, number))
    found = all_of(judges, len(tokens))
    judges.dismiss()
    fine = {number for number, one in found.items() if one.verdict == Verdict(1.0, "fine")}
    assert fine - {8} == {*tokens} - {*range(7), 8}  # 8 may be lost with its process, which dies as it tells
    assert found[1].fault == "check: ValueError: no"
    if many:
        assert "more than 3 s" in found[2].fault and "died" in found[3].fault
    else:
        assert "nan" in found[4].fault and "expected a verdict" in found[5].fault and found[6].verdict is None


def test_rules_are_the_samples_own() -> None:
    judges = Judges(0, rules)
    judges.ask(sample(0), answer(0, 0))
    (judged,) = judges.done([])
    assert judged.verdict is not None and judged.verdict.score == 1
