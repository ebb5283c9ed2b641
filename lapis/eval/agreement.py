"""Do two engines give the same greedy answers? Equal up to the first place where the two best logits are as close as
the engines' own difference.

How close that is, is measured and not chosen: where both wrote the same so far, the distance between the other
engine's two likeliest tokens is compared with the torch model's distance between the same two. The largest error of
all such places is epsilon; an answer that parts where the torch model's two best are further apart than that is wrong.

Shapes: T tokens of a reply, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lapis.eval.scores import scores
from lapis.serve.budget import Marks, State
from lapis.serve.engine import Engine
from lapis.types import Completion, Request

LIKELY = 2
"""`top_logprobs` that the other engine's requests must ask for."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One request's two answers."""

    equal: bool
    margin: float
    """Between the torch model's two best tokens where the answers part; infinite where they do not."""
    error: float
    """Largest difference between the engines' distances of two tokens, before that place."""


@dataclass(frozen=True, slots=True)
class Total:
    """All requests of a comparison."""

    n: int
    equal: float
    """Share of answers that are the same to the last token."""
    epsilon: float
    wrong: int
    """Answers that part where the two best are further apart than epsilon."""


def total(found: Sequence[Agreement]) -> Total:
    """The sum of a comparison of at least one request."""
    epsilon = max(each.error for each in found)
    wrong = sum(not each.equal and each.margin > epsilon for each in found)
    return Total(len(found), sum(each.equal for each in found) / len(found), epsilon, wrong)


def compare(engine: Engine, request: Request, ours: Completion, theirs: Completion) -> Agreement:
    """The torch engine's answer and another's, which has log-probabilities of LIKELY tokens."""
    pairs = zip(ours.token_ids, theirs.token_ids, strict=False)
    same = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    if same is None and len(ours.token_ids) != len(theirs.token_ids):
        same = min(len(ours.token_ids), len(theirs.token_ids))
    logits_TV = reply_logits(engine, request, ours)
    errors = [
        _error(logits_TV[at], theirs.top_logprobs[at]) for at in range(len(ours.token_ids) if same is None else same)
    ]
    if same is None:
        return Agreement(True, float("inf"), max(errors, default=0.0))
    bias_V = engine.bias_SV[_state(engine.marks, request.think, ours.token_ids[:same])]
    best = (logits_TV[min(same, len(logits_TV) - 1)] + bias_V).topk(2).values
    return Agreement(False, float(best[0] - best[1]), max(errors, default=0.0))


def _state(marks: Marks, think: bool, written: Sequence[int]) -> State:
    """Where the budget's machine stands after these tokens of a reply, as far as it forbids anything."""
    closing = marks.unthink[-1]
    if think and closing not in written:
        return State.COUNTING
    answer = written[written.index(closing) + 1 :] if think else written
    return State.ANSWERING if any(marks.content[token].strip() for token in answer) else State.OPENED


def _error(logits_V: torch.Tensor, likely: Sequence[tuple[int, float]]) -> float:
    """Of the distance between the other engine's two likeliest; 0 where it told none (forced tokens)."""
    if len(likely) < 2:
        return 0.0
    (one, first), (other, second) = likely[:2]
    return abs((first - second) - float(logits_V[one] - logits_V[other]))


def reply_logits(engine: Engine, request: Request, reply: Completion) -> torch.Tensor:
    """float32 [T, V]: the torch model's logits in the place of each token of a reply."""
    prompt = engine.prompt(request)
    return scores(engine.model, [*prompt.ids, *reply.token_ids[:-1]], prompt.images, len(prompt.ids) - 1)
