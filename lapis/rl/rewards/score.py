"""Verdicts into rewards: what each answer of a group is worth, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lapis import config, verify
from lapis.rl import shaping
from lapis.types import Completion, Verdict

Check = Callable[[Mapping[str, Any], str, bool], Verdict]
"""(a sample's meta, the answer's text, whether the thought is closed) to a verdict; `verify.check` is one."""
RIGHT = 0.5
"""Correctness from here on counts as a right answer."""


@dataclass(frozen=True, slots=True)
class Score:
    """One answer's reward and its pieces, before weights."""

    reward: float
    correct: float
    format: float
    repetition: float
    overlong: float
    """What Group Overlong took, weight included."""
    reason: str
    length: float = 0.0
    """Share of the room before the token limit that the answer went into, 0-1."""

    @property
    def right(self) -> bool:
        return self.correct >= RIGHT


def score(
    group: Sequence[Completion],
    meta: Mapping[str, Any],
    weights: config.Reward,
    check: Check = verify.check,
    limit: int | None = None,
) -> list[Score]:
    """The rewards of a group's answers to one question, whose `meta` says how to check them; `shaped` of verdicts."""
    return shaped(group, [check(meta, answer.text, answer.closed) for answer in group], weights, limit)


def shaped(
    group: Sequence[Completion], verdicts: Sequence[Verdict], weights: config.Reward, limit: int | None = None
) -> list[Score]:
    """The rewards of a group's answers from the verdicts on them, in the same order. Of answer i

        reward_i = w.correct * correctness_i + w.format * format_i - w.repetition * repetition_i
                   - overlong_i - w.length * length_i

    with the pieces of shaping.py. `limit` is the most tokens of an answer; without one `length_i` is 0. Ours: the
    original names the pieces and no more.
    """
    correct = [shaping.correctness(verdict) for verdict in verdicts]
    overlong = shaping.group_overlong(
        [len(answer.token_ids) for answer in group],
        [value >= RIGHT for value in correct],
        weights.overlong,
        weights.tolerance,
        weights.min_correct,
    )
    rows = zip(group, verdicts, correct, overlong, strict=True)
    return [_score(answer, verdict, value, lost, weights, limit) for answer, verdict, value, lost in rows]


def _score(
    answer: Completion, verdict: Verdict, correct: float, overlong: float, weights: config.Reward, limit: int | None
) -> Score:
    form = shaping.format_score(answer.text, answer.closed, answer.finish)
    repeated = shaping.repetition(answer.token_ids)
    long = 0.0 if limit is None else shaping.near_limit(len(answer.token_ids), limit, weights.room)
    reward = weights.correct * correct + weights.format * form - weights.repetition * repeated
    return Score(reward - overlong - weights.length * long, correct, form, repeated, overlong, verdict.reason, long)


def mixed(scores: Sequence[Score]) -> bool:
    """Some answers of the group are right and some wrong: only such a group says what to do better."""
    return len({one.right for one in scores}) == 2
