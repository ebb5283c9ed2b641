"""Choosing tokens: each row by its own settings and its own random number."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lapis.serve.sampler import Sampler, check, draw, logprobs, uniforms
from lapis.types import InputError, Request

LOGITS_V = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def request(**fields: Any) -> Request:
    return Request((), **fields)


def support(**fields: Any) -> set[int]:
    """Tokens that can be drawn."""
    uniform_B = torch.linspace(0, 1 - 1e-9, 101, dtype=torch.float64)
    sampler = Sampler([request(**{"temperature": 1.0, **fields})] * 101)
    return set(sampler.choose(LOGITS_V.expand(101, -1), uniform_B).tolist())


def test_cuts_keep_the_likeliest_tokens() -> None:
    assert support() == {0, 1, 2, 3}
    assert support(top_k=2) == {0, 1}
    assert support(top_p=0.5) == {0}
    assert support(top_p=0.81) == {0, 1, 2}
    assert support(top_k=3, top_p=0.6) == {0, 1}
    assert support(min_p=0.2) == {0, 1, 2}
    assert support(min_p=0.7, top_p=0.9) == {0} == support(min_p=1.0)


def test_shares_follow_the_probabilities_at_each_temperature() -> None:
    uniform_B = torch.from_numpy(uniforms(3, 20_000))
    for temperature in (0.5, 1.0, 2.0):
        tokens_B = Sampler([request(temperature=temperature)]).choose(LOGITS_V.expand(20_000, -1), uniform_B)
        shares_V = torch.bincount(tokens_B, minlength=4) / 20_000
        assert torch.allclose(shares_V, (LOGITS_V / temperature).softmax(0), atol=0.015)


def test_greedy_takes_the_first_of_equals_beside_sampled_rows() -> None:
    logits_BV = torch.tensor([[1.0, 3.0, 3.0], [0.0, 0.0, 9.0]])
    sampler = Sampler([request(), request(temperature=1.0, top_k=1)])
    assert sampler.choose(logits_BV, torch.tensor([0.9, 0.9], dtype=torch.float64)).tolist() == [1, 2]


@given(st.lists(st.sampled_from([0.0, 0.1, 1.0]), min_size=2, max_size=6), st.floats(0, 1, exclude_max=True))
def test_a_token_of_probability_zero_is_never_drawn(weights: list[float], uniform: float) -> None:
    probs_1V = torch.tensor([[*weights, 0.5, 0.0]])
    for value in (0.0, uniform, math.nextafter(1, 0)):
        assert probs_1V[0, draw(probs_1V, torch.tensor([value], dtype=torch.float64))] > 0


def test_a_seed_is_a_stream_of_its_own() -> None:
    assert (uniforms(5, 8) == uniforms(5, 16)[:8]).all()
    assert (uniforms(5, 8) != uniforms(6, 8)).all()
    assert len(uniforms(-1, 3)) == 3


def test_logprobs_are_those_of_the_softmax() -> None:
    logits_BV = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
    tokens_B = torch.tensor([0, 4, 8])
    expected_B = logits_BV.log_softmax(-1)[torch.arange(3), tokens_B]
    assert torch.allclose(logprobs(logits_BV, tokens_B), expected_B)


NUMBERS = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")


@pytest.mark.parametrize(
    "fields",
    [
        *({name: value} for name in NUMBERS for value in (math.nan, math.inf, -math.inf)),
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"presence_penalty": 2.1},
        {"frequency_penalty": -2.1},
        {"repetition_penalty": 0.0},
        {"top_logprobs": 21},
        {"top_logprobs": -1},
        {"stop": ("x",) * 17},
        {"stop": ("x", "")},
    ],
)
def test_values_out_of_range_are_named(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(fields))}: .*expected") as caught:
        check(request(**fields))
    assert "\n" not in str(caught.value)


def test_values_at_the_edge_of_their_range_are_taken() -> None:
    check(request(temperature=0.0, top_p=1.0, min_p=1.0, presence_penalty=-2.0, frequency_penalty=2.0))
    check(request(repetition_penalty=0.1, top_logprobs=20, stop=("x",) * 16))
