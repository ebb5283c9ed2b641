"""Two engines' greedy answers side by side: what counts as the same, and how near the other token was."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from lapis import chat
from lapis.eval import agreement
from lapis.model import init
from lapis.serve.engine import Engine
from lapis.types import Completion, Request, Text, Turn
from tests.serve.small import small_shape, spread

ASKED = Request((Turn("user", (Text("What is?"),)),), max_tokens=12)


@pytest.fixture(scope="module")
def engine(tokenizer: chat.Tokenizer) -> Engine:
    return Engine(spread(init.fresh(small_shape(), 0)), tokenizer, 1, 64)


def answers(engine: Engine) -> tuple[Completion, Completion]:
    ours, theirs = (
        engine.generate([dataclasses.replace(ASKED, top_logprobs=most)])[0] for most in (0, agreement.LIKELY)
    )
    return ours, theirs


def reply(*ids: int) -> Completion:
    size = len(ids)
    return Completion("", "", (), ids, (0.0,) * size, (False,) * size, 0, "stop", True, ((),) * size)


def test_an_engine_agrees_with_itself(engine: Engine) -> None:
    found = agreement.compare(engine, ASKED, *answers(engine))
    assert found.equal and found.margin == math.inf and found.error < 1e-3
    assert agreement.total([found]) == agreement.Total(1, 1.0, found.error, 0)


def test_another_token_where_ours_is_clearly_best_is_wrong(engine: Engine) -> None:
    ours, theirs = answers(engine)
    ids = list(theirs.token_ids)
    ids[5] = ids[5] - 1
    found = agreement.compare(engine, ASKED, ours, dataclasses.replace(theirs, token_ids=tuple(ids)))
    best = agreement.reply_logits(engine, ASKED, ours)[5].topk(2).values
    assert not found.equal and 0 < found.margin <= float(best[0] - best[1]) + 1e-4
    assert agreement.total([found]).wrong == (found.margin > found.error)


@pytest.mark.parametrize(
    ("think", "written", "margin"),
    [
        (False, "", 0.5),
        (False, " \n", 0.5),
        (False, " a", 5.0),
        (True, "", 6.0),
        (True, "a", 6.0),
        (True, "a</think>\n", 0.5),
        (True, "a</think>\na", 5.0),
    ],
)
def test_a_token_that_the_budget_forbids_there_is_no_rival(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, think: bool, written: str, margin: float
) -> None:
    """Best of all the thought's end, then the end of the turn, then two letters: the first may only end a thought, the
    second only an answer of more than blanks."""
    marks, tokenizer = engine.marks, engine.tokenizer
    thought, mark, answer = written.rpartition(chat.UNTHINK)
    ids = (*tokenizer.encode(thought), *(marks.unthink if mark else ()), *tokenizer.encode(answer))
    logits_TV = torch.zeros(len(ids) + 1, small_shape().decoder.vocab)
    (one,), (other,) = tokenizer.encode("x"), tokenizer.encode("y")
    for token, height in ((marks.unthink[-1], 16.0), (marks.end, 10.0), (one, 5.0), (other, 4.5)):
        logits_TV[:, token] = height
    monkeypatch.setattr(agreement, "reply_logits", lambda *_: logits_TV)
    ours, theirs = (reply(*ids, last) for last in (one, other))
    found = agreement.compare(engine, dataclasses.replace(ASKED, think=think), ours, theirs)
    assert found == agreement.Agreement(False, margin, 0.0)
