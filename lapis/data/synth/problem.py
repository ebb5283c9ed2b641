"""One question with its exact answer and its thought at two lengths, and how it becomes a training sample."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from lapis.types import Part, Sample, Text, Turn

Box = tuple[float, float, float, float]
"""(x, y, w, h) in thousandths of a picture."""
Count = Callable[[str], int]
"""Tokens of a thought."""

DIRECT_SHARE = 2 / 7
"""Share of samples that answer at once: 40 for every 100 that think."""
BUDGET_SHARE = 0.3
"""Share of thinking samples whose prompt names a budget that their thought keeps."""
BUDGET_STEP = 8
"""Budgets are multiples of this many tokens."""
MARGIN, GRACE = 12, 0.1
"""Tokens, and the share of it, that a thought leaves free under its budget: an engine that keeps budgets closes a
thought in the grace at a budget's end, and needs room for the words that close one (serve/budget.py)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a generator makes before it is known whether the sample thinks."""

    question: str
    answer: str
    verifier: str
    """number, choice or text: which check of lapis.verify decides."""
    full: str
    """The thought with every digit column."""
    terse: str
    """The shortest thought that still works, for a small budget."""
    steps: int
    template: str
    lang: str
    boxes: tuple[Box, ...] = ()
    """What the full thought points at, in its order."""


def bytes_of(text: str) -> int:
    """An upper bound of a byte-level BPE's tokens, close for digits, where every character is a token."""
    return len(text.encode())


def sample(
    problem: Problem,
    kind: str,
    source: str,
    rng: random.Random,
    tokens: Count = bytes_of,
    think: bool | None = None,
    before: tuple[Part, ...] = (),
) -> Sample:
    """The problem as a conversation; `before` stands in front of the question, such as a screen.

    `think` None draws the mode and perhaps a budget; True thinks without one.
    """
    drawn = think is None
    think = rng.random() >= DIRECT_SHARE if drawn else think
    budget, thought = (None, problem.full)
    if drawn and think and rng.random() < BUDGET_SHARE:
        budget, thought = budgeted(problem, rng, tokens)
    return Sample(
        kind=kind,
        lang=problem.lang,
        source=source,
        licence="CC0-1.0",
        turns=(
            Turn("user", (*before, Text(problem.question))),
            Turn("assistant", (Text(problem.answer),), thought if think else None),
        ),
        think=bool(think),
        budget=budget,
        meta={
            "answer": problem.answer,
            "verifier": problem.verifier,
            "template": problem.template,
            "steps": problem.steps,
            **({"boxes": problem.boxes} if think and problem.boxes and thought == problem.full else {}),
        },
    )


def budgeted(problem: Problem, rng: random.Random, tokens: Count) -> tuple[int, str]:
    """(budget, thought): a budget from just enough for the terse thought to more than the full one needs."""
    least, enough = (_needed(tokens(thought)) for thought in (problem.terse, problem.full))
    steps = rng.randint(math.ceil(least / BUDGET_STEP), math.ceil(enough / BUDGET_STEP) + 2)
    return BUDGET_STEP * steps, problem.full if BUDGET_STEP * steps >= enough else problem.terse


def _needed(tokens: int) -> float:
    """The least budget of a thought of so many tokens."""
    return max(tokens + MARGIN, tokens / (1 - GRACE))
