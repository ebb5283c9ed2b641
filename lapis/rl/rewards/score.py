"""Verdicts into rewards: what each answer of a group is worth, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lapis import config
from lapis.rl import shaping
from lapis.types import Completion, Verdict

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


def shaped(group: Sequence[Completion], verdicts: Sequence[Verdict], weights: config.Reward, limit: int) -> list[Score]:
    """The rewards of a group's answers from the verdicts on them, in the same order. Of answer i

        reward_i = w.correct * correctness_i + w.format * format_i - w.repetition * repetition_i
                   - overlong_i - w.length * length_i

    with the pieces of shaping.py. `limit` is the most tokens of an answer. Ours: the
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
    answer: Completion, verdict: Verdict, correct: float, overlong: float, weights: config.Reward, limit: int
) -> Score:
    form = shaping.format_score(answer.text, answer.closed, answer.finish)
    repeated = shaping.repetition(answer.token_ids)
    long = shaping.near_limit(len(answer.token_ids), limit, weights.room)
    reward = weights.correct * correct + weights.format * form - weights.repetition * repeated
    return Score(reward - overlong - weights.length * long, correct, form, repeated, overlong, verdict.reason, long)


def mixed(scores: Sequence[Score]) -> bool:
    """Some answers of the group are right and some wrong: only such a group says what to do better."""
    return len({one.right for one in scores}) == 2
