"""What a metrics line tells of a step's answers: means over all of them and by task, failures, a second opinion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lapis.rl.rewards import RIGHT, Score
from lapis.rl.rewards.book import Judged
from lapis.rl.rewards.checker import agreement
from lapis.rl.rollout import Group
from lapis.types import Verdict

Json = dict[str, Any]
Scored = list[tuple[Group, list[Score]]]
BY_TASK = ("correct", "reward", "thought_tokens")


def line(groups: Scored, judged: Sequence[Judged]) -> Json:
    """Of all answers sampled in a step, kept or not: their means; rewards by kind of question; how many had no verdict;
    and how far the model beside the rules agreed with them, where one was asked."""
    failed = sum(one.verdict is None for one in judged)
    second = {"agreement": beside(judged)} if any(one.second is not None for one in judged) else {}
    rewards = {kind: found["reward"] for kind, found in kinds(groups).items()}
    return {**means(groups), "rewards": rewards, "failed": failed, **second}


def means(groups: Scored) -> Json:
    """Means over every answer."""
    pairs = [pair for group, scores in groups for pair in zip(group.answers, scores, strict=True)]
    columns = {
        "reward": [one.reward for _, one in pairs],
        "correct": [float(one.right) for _, one in pairs],
        "format": [one.format for _, one in pairs],
        "repetition": [one.repetition for _, one in pairs],
        "overlong": [one.overlong for _, one in pairs],
        "thought_tokens": [float(answer.thought_tokens) for answer, _ in pairs],
        "answer_tokens": [float(len(answer.token_ids)) for answer, _ in pairs],
    }
    return {name: sum(values) / max(len(values), 1) for name, values in columns.items()}


def kinds(groups: Scored) -> Json:
    """Figures of each kind of question."""
    found: dict[str, Scored] = defaultdict(list)
    for group, scores in groups:
        found[group.sample.kind].append((group, scores))
    return {kind: short(mine) for kind, mine in sorted(found.items())}


def short(groups: Scored) -> Json:
    """How many questions, and the means that count most."""
    found = means(groups)
    return {"n": len(groups)} | {name: found[name] for name in BY_TASK}


def beside(judged: Sequence[Judged]) -> Json:
    """The verifier model against the rules (checker.Agreement), over answers that both were asked about."""
    asked = [(one.verdict, one.second.verdict) for one in judged if one.verdict is not None and one.second is not None]
    said = [None if model is None else _right(model) for _, model in asked]
    if said.count(None) == len(said):
        return {"silent": len(said)}
    return agreement([_right(rule) for rule, _ in asked], said).facts()


def _right(verdict: Verdict) -> bool:
    return verdict.score >= RIGHT
