"""Groups of exact and of judged questions in one batch: their scores, whether they teach, what their task weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapis import config
from lapis.data.mixture import match
from lapis.rl.rewards.book import Failures, Judged, exact
from lapis.rl.rewards.score import Score, mixed, shaped
from lapis.types import Completion, Sample

SPREAD = 1e-3
"""Rewards of a judged group that lie closer together teach nothing."""


def failures_of(stage: config.RL) -> Failures:
    """Of a stage that begins."""
    asked = stage.steps * stage.prompts * stage.group
    return Failures(stage.rewards.failures, min(stage.rewards.window, max(1, asked)))


def scored(answers: Sequence[Completion], judged: Sequence[Judged], stage: config.RL) -> list[Score] | None:
    """The rewards of a group's answers from what was said of them; None where one has no verdict, for groups train
    whole."""
    verdicts = [one.verdict for one in judged if one.verdict is not None]
    if len(verdicts) < len(judged):
        return None
    return shaped(answers, verdicts, stage.reward, stage.max_tokens)


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
