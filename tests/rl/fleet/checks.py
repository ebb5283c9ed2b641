"""Checks of answers. In a file of their own: a judge's process imports it, and is there sooner without torch."""

from __future__ import annotations

from lapis.rl.fleet.judge import Check
from lapis.types import Completion, Sample, Verdict


def by_three(sample: Sample, completion: Completion) -> Verdict:
    """Right is an answer whose tokens add up to a multiple of three: a third of a fresh model's."""
    return Verdict(float(sum(completion.token_ids) % 3 == 0), "")


def by_threes() -> Check:
    return by_three


def throwing() -> Check:
    def check(sample: Sample, completion: Completion) -> Verdict:
        raise ValueError("no")

    return check
