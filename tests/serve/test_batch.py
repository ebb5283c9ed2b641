"""What a request writes does not depend on what runs beside it, nor on how its prompt reached the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis import chat
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine
from lapis.serve.job import Job
from lapis.types import Completion, Request
from tests.serve.ask import ask, picture

PICTURES = (picture(10), picture(200), picture(90, width=150))
SYSTEMS = ("", "You are short. " * 3, "You are short. " * 3 + "And then kind.")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    parts: list[Any] = [draw(st.sampled_from(SYSTEMS))]
    if draw(st.booleans()):
        parts.insert(0, draw(st.sampled_from(PICTURES)))
    parts.append("word " * draw(st.integers(1, 30)))
    return ask(*parts, think=draw(st.booleans()), max_tokens=draw(st.integers(3, 20)))


def play(engine: Engine, asked: Sequence[Request], chunk: int, gaps: Sequence[int]) -> list[Completion]:
    """All requests, each coming so many steps after the one before it."""
    jobs: list[Job] = engine._begin([])
    for request, gap in zip(asked, gaps, strict=False):
        job = engine.job(request)
        engine._encode([job.prompt])
        engine.session.add(job)
        jobs.append(job)
        for _ in range(gap):
            engine.session.step(chunk)
    while not engine.session.idle:
        engine.session.step(chunk)
    assert engine.session.memory.used == 0
    return [job.completion(engine.tokenizer) for job in jobs]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_greedy_tokens_do_not_depend_on_neighbours(lapis: Lapis, tokenizer: chat.Tokenizer, dtype: torch.dtype) -> None:
    alone = Engine(lapis, tokenizer, slots=1, length=512, dtype=dtype, share=False, features={})

    @settings(max_examples=20, deadline=None)
    @given(
        st.lists(requests(), min_size=2, max_size=6),
        st.sampled_from([32, 64, 4096]),
        st.lists(st.integers(0, 3), min_size=6, max_size=6),
        st.sampled_from([2, 8]),
        st.sampled_from([512, 2048]),
        st.booleans(),
    )
    def check(asked: list[Request], chunk: int, gaps: list[int], slots: int, tokens: int, share: bool) -> None:
        engine = Engine(lapis, tokenizer, slots, 512, dtype, features=alone.features, tokens=tokens, share=share)
        for request, got in zip(asked, play(engine, asked, chunk, gaps), strict=True):
            (single,) = alone.generate([request])
            assert got.token_ids == single.token_ids
            assert got.logprobs == pytest.approx(single.logprobs, abs=1e-4)

    check()


def steps(engine: Engine, chunk: int) -> list[tuple[int, int]]:
    """(prompt tokens, written tokens) of each step until all is done."""
    seen = []
    forward = engine.forward

    def counting(pieces: Any) -> torch.Tensor:
        read = sum(piece.span.count for piece in pieces if piece.prompt)
        seen.append((read, sum(piece.prompt is None for piece in pieces)))
        return forward(pieces)

    engine.forward = counting  # type: ignore[method-assign]
    while not engine.session.idle:
        engine.session.step(chunk)
    return seen


def test_a_long_prompt_is_read_between_the_tokens_of_others(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=2, length=512)
    live = engine._begin([ask("short", max_tokens=30)])[0]
    engine.session.step(64)
    long = engine.job(ask("x" * 200, max_tokens=2))
    engine.session.add(long)
    seen = steps(engine, 64)
    assert [read for read, _ in seen if read] == [64, 64, 64, 11] and all(wrote == 1 for _, wrote in seen[:4])
    assert len(live.token_ids) == 30 and len(long.token_ids) == 2


def test_what_stands_in_the_cache_is_not_computed_again(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(lapis, tokenizer, slots=2, length=512, features={})
    shown = (PICTURES[2], "system words that all requests share ")
    first, second = ask(*shown, "one?"), ask(*shown, "two?")
    (before,) = engine.generate([second])
    engine.forget()
    engine.generate([first])
    read = engine.session.totals.shared_tokens
    (after,) = engine.generate([second])
    shared = engine.session.totals.shared_tokens - read
    assert after == before and len(before.prompt_ids) - 40 < shared < len(before.prompt_ids)
    assert after.shared_tokens == shared
    other = ask(picture(91, width=150), *shown[1:], "two?")
    engine.generate([other])
    assert engine.session.totals.shared_tokens - read - shared == 0  # the image is another


def test_weights_that_change_are_seen(shape: Any, tokenizer: chat.Tokenizer) -> None:
    model = Decoder(shape.decoder).requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(3))
    engine, request = Engine(model, tokenizer, slots=2, length=256), ask("y" * 100)
    old = engine.generate([request])
    model.layers[0].mlp.down.weight.mul_(-1)
    assert engine.generate([request]) == Engine(model, tokenizer, length=256).generate([request]) != old


def test_requests_wait_for_memory_in_order(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=8, length=128, tokens=192, share=False)
    asked = [ask("x" * size, max_tokens=40) for size in (20, 50, 20, 5)]
    jobs = engine._begin(asked)
    engine.session.step(4096)
    assert engine.session.live == jobs[:2] and engine.session.memory.used == 160
    while not engine.session.idle:
        engine.session.step(4096)
    assert all(len(job.token_ids) == 40 or job.finish == "stop" for job in jobs)
