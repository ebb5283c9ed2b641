"""Phase two, what is kept of all answers to one problem: its pass rates, and the shortest right thoughts by budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lapis import verify
from lapis.data.answers import judge
from lapis.data.synth.problem import GRACE, MARGIN
from lapis.data_config.answers import Answers
from lapis.remote.request import Reply
from lapis.types import Sample, Text, Turn

Count = Callable[[str], int]
"""Tokens of a thought, as the model counts that is to learn it."""
Replies = Mapping[int, Sequence[Reply | None]]
"""Of one problem, by the budget that they were asked at."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A problem with its answer and pass rates in `meta`, its training samples, and why replies were refused."""

    problem: Sample
    samples: tuple[Sample, ...]
    refused: Counter[str]
    dropped: str = ""
    """Why it gives no training sample; empty where it does."""


def judged(problem: Sample, replies: Replies, settings: Answers, tokens: Count, by: str) -> Judged:
    """All replies to a problem, `by` the model of that name.

    `meta` gets `answer` and `verifier` (voted where they were not known), `pass_rate` at the largest budget,
    `difficulty` (1 less that), `answers` (how many it rests on) and `passes` by budget.
    """
    flat = [one for many in replies.values() for one in many]
    if all(one is None or one.refused for one in flat):
        return Judged(problem, (), Counter(), "no reply")
    meta = dict(problem.meta)
    if not is_known(problem):
        won = judge.vote(flat, settings.agree)
        if won is None:
            return Judged(problem, (), Counter(), "no majority")
        meta |= won
    rights = {budget: [_is_right(meta, one) for one in many] for budget, many in replies.items()}
    rated = replace(problem, meta=meta | _rates(replies, rights))
    good, refused = _good(rated, replies, rights)
    if rated.meta["pass_rate"] < settings.least:
        return Judged(rated, (), refused, "pass rate too low")
    kept = _kept(rated, good, settings, tokens, by)
    dropped = "" if kept else "never right" if not any(map(any, rights.values())) else "no right answer keeps the rules"
    return Judged(rated, tuple(kept), refused, dropped)


def is_known(problem: Sample) -> bool:
    """Whether its answer can be checked."""
    named = problem.meta.get("verifier")
    return named in verify.VERIFIERS and problem.meta.get(verify.VERIFIERS[named][1]) is not None


def _is_right(meta: Mapping[str, Any], reply: Reply | None) -> bool:
    return reply is not None and not reply.refused and judge.right(meta, reply)


def _rates(replies: Replies, rights: Mapping[int, Sequence[bool]]) -> dict[str, Any]:
    """Pass rates over the tries: replies that came and that the API did not refuse. One that was cut off is wrong."""
    passes, counts = {}, {}
    for budget, many in replies.items():
        tries = [right for right, one in zip(rights[budget], many, strict=True) if one and not one.refused]
        if tries:
            passes[budget], counts[budget] = sum(tries) / len(tries), len(tries)
    largest = -1 if -1 in passes else max(passes)
    return {
        "pass_rate": round(passes[largest], 4),
        "difficulty": round(1 - passes[largest], 4),
        "answers": counts[largest],
        "passes": {str(budget): round(rate, 4) for budget, rate in passes.items()},
    }


def _good(
    problem: Sample, replies: Replies, rights: Mapping[int, Sequence[bool]]
) -> tuple[dict[int, list[Reply]], Counter[str]]:
    """Right replies that no rule refuses, by budget, and why the others go."""
    good: dict[int, list[Reply]] = {}
    refused: Counter[str] = Counter()
    for budget, many in replies.items():
        good[budget] = []
        for right, one in zip(rights[budget], many, strict=True):
            why = judge.refuse(one, budget != 0, budget or -1, problem.lang) or (None if right else "wrong")
            if why or one is None:
                refused[why or "no reply"] += 1
            else:
                good[budget].append(one)
    return good, refused


def _kept(problem: Sample, good: Mapping[int, list[Reply]], settings: Answers, tokens: Count, by: str) -> list[Sample]:
    """The shortest right thoughts of each budget. Where none that was asked at a budget fits it, one of another may."""
    thoughts = [one for budget, many in good.items() if budget for one in many]
    kept: list[Sample] = []
    used: set[tuple[str, str]] = set()
    for budget in sorted(good, key=lambda budget: (budget < 0, budget)):
        asked = [one for one in good[budget] if _fits(one, budget, tokens)]
        others = [one for one in thoughts if budget > 0 and _fits(one, budget, tokens)]
        best = sorted(asked or others, key=lambda one: (tokens(one.thought), len(one.text)))
        new = {(one.thought, one.text): one for one in best if (one.thought, one.text) not in used}
        for told, one in list(new.items())[: settings.keep]:
            used.add(told)
            kept.append(_sample(problem, one, budget, by))
    return kept


def _fits(reply: Reply, budget: int, tokens: Count) -> bool:
    length = tokens(reply.thought)
    return budget <= 0 or max(length + MARGIN, length / (1 - GRACE)) <= budget


def _sample(problem: Sample, reply: Reply, budget: int, by: str) -> Sample:
    think = budget != 0
    answer = Turn("assistant", (Text(reply.text.strip()),), reply.thought.strip() if think else None)
    return replace(
        problem,
        turns=(*problem.turns, answer),
        think=think,
        budget=budget if budget > 0 else None,
        meta={**problem.meta, "by": by},
    )
