"""What reasoning synthesis can be told: the model that is asked, how often, at which budgets, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from lapis.endpoint import Endpoint
from lapis.shape import STRICT, Count, Positive, Rate, Share

Budget = Annotated[int, Ge(-1)]
Way = Literal["reword", "vary", "ask"]


@STRICT
@dataclass(frozen=True, slots=True)
class Answers:
    """Both phases: problems are gathered and rewritten, then answered several times at several budgets."""

    endpoint: Endpoint = field(default_factory=Endpoint)
    """Who rewrites and who answers."""
    spend: Rate = 0.0
    """Most that all requests together may cost; no request is begun that could pass it. 0 is no limit."""
    limit: Count = 0
    """Most problems gathered, in the order of the files; 0 takes all."""
    system: str = ""
    """Told before each problem, and not kept in the samples: `Put the final answer into \\boxed{}.`"""
    ways: tuple[Way, ...] = ()
    """How problems are rewritten: other words and the same answer, another problem of the sort, or a question made of
    a document."""
    rewrites: Positive = 1
    """New problems for each problem and way."""
    samples: Annotated[int, Ge(1), Le(256)] = 4
    """Answers to each problem at each budget."""
    budgets: Annotated[tuple[Budget, ...], MinLen(1)] = (-1, 0)
    """Most tokens of thought, by the count of the asked model: -1 is no limit, 0 answers at once."""
    max_tokens: Positive = 1024
    """Of thought and answer together."""
    temperature: Annotated[float, Ge(0), Le(2)] = 1.0
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    agree: Annotated[float, Gt(0), Le(1)] = 0.5
    """Share of all answers that the most frequent one must pass where no answer is known."""
    keep: Positive = 1
    """Right answers kept of each problem and budget, those with the shortest thoughts."""
    least: Share = 0.0
    """Problems of a lower pass rate give no training answers: a rare right answer is often a lucky one."""
    seed: Count = 0
