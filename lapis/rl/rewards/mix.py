"""Groups of exact and of judged questions in one batch: their scores, whether they teach, what their task weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapis import config, verify
from lapis.data.mixture import match
from lapis.rl.rewards.book import Book, Failures, Item, name_of
from lapis.rl.rewards.score import Score, mixed, shaped
from lapis.types import Completion, Sample

SPREAD = 1e-3
"""Rewards of a judged group that lie closer together teach nothing."""


def exact(sample: Sample) -> bool:
    """Whether answers are right or wrong (RLVR) rather than better or worse (RLHF)."""
    return name_of(sample) in verify.VERIFIERS


def scored(
    book: Book,
    failures: Failures,
    sample: Sample,
    answers: Sequence[Completion],
    weights: config.Reward,
    limit: int | None = None,
) -> list[Score] | None:
    """The rewards of a group's answers; None where one of them has no verdict, for groups train whole.

    Raises InputError where too many answers have none.
    """
    judged = book.judge([Item(sample, answer) for answer in answers])
    failures.add(judged)
    verdicts = [one.verdict for one in judged if one.verdict is not None]
    return shaped(answers, verdicts, weights, limit) if len(verdicts) == len(answers) else None


def teaches(sample: Sample, scores: Sequence[Score]) -> bool:
    """Whether a group says what to do better: some answers right and some wrong, or rewards that differ."""
    if exact(sample):
        return mixed(scores)
    rewards = [one.reward for one in scores]
    return max(rewards) - min(rewards) > SPREAD


def task_weights(kinds: Sequence[str], weights: Mapping[str, float]) -> list[float]:
    """What the advantages of each group of a batch are multiplied by, by its kind.

        v_i = w_i * n / sum_j w_j     with w_i the weight of the longest prefix that fits kind i, 1 where none does

    so that their mean is 1 and the step's size does not depend on the mix. Ours. All zero weighs nothing.
    """
    raw = [1.0 if (prefix := match(kind, weights)) is None else weights[prefix] for kind in kinds]
    total = sum(raw)
    return [one * len(raw) / total for one in raw] if total else [0.0] * len(raw)
