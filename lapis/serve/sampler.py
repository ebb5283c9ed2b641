"""Choosing tokens for a batch of requests: temperature, cuts and penalties, each row with its own random numbers.

Unusual: a row's draw is one uniform number and a search in the cumulative distribution, so the whole batch is sampled
by tensor code and a request's tokens depend on its own seed alone, never on its neighbours.

Shapes: B requests, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from lapis.types import InputError, Request

STOPS = 16
"""Most stop strings of a request."""
LIKELIEST = 20
"""Most likeliest tokens that a request is told beside each written one."""
PENALTY = 2.0
"""Largest presence and frequency penalty, either way (OpenAI's range)."""


def check(request: Request) -> None:
    """Raises InputError for sampling values out of range (NaN too)."""
    _within("temperature", request.temperature, request.temperature >= 0, "a number of at least 0")
    _within("top_p", request.top_p, 0 < request.top_p <= 1, "above 0 and at most 1")
    _within("top_k", request.top_k, request.top_k >= 0, "0 (off) or more")
    _within("min_p", request.min_p, 0 <= request.min_p <= 1, "a share between 0 and 1")
    for name in ("presence_penalty", "frequency_penalty"):
        value = getattr(request, name)
        _within(name, value, -PENALTY <= value <= PENALTY, f"a number between {-PENALTY} and {PENALTY}")
    repetition = request.repetition_penalty
    _within("repetition_penalty", repetition, repetition > 0, "a number above 0")
    told = request.top_logprobs
    _within("top_logprobs", told, 0 <= told <= LIKELIEST, f"between 0 and {LIKELIEST}")
    if len(request.stop) > STOPS:
        raise InputError(f"stop: {len(request.stop)} strings, expected at most {STOPS}")
    if not all(request.stop):
        raise InputError("stop: an empty string, expected at least one character")


def _within(name: str, value: float, fits: bool, expected: str) -> None:
    if not (math.isfinite(value) and fits):
        raise InputError(f"{name}: {value}, expected {expected}")


def uniforms(seed: int, count: int) -> np.ndarray:
    """float64 [count] in [0, 1): a request's random numbers (Philox), one a token."""
    return np.random.Generator(np.random.Philox(key=seed & (2**64 - 1))).random(count)


class Sampler:
    """Settings of the live requests as tensors, rebuilt whenever the batch changes."""

    def __init__(self, requests: Sequence[Request], device: torch.device | str = "cpu"):
        temperatures = torch.tensor([request.temperature for request in requests], device=device)
        self.greedy_B = temperatures == 0
        self.all_greedy = bool(self.greedy_B.all())
        self.scale_B1 = torch.where(self.greedy_B, torch.ones_like(temperatures), temperatures)[:, None]
        self.top_k_B1 = torch.tensor([[request.top_k] for request in requests], device=device)
        self.top_p_B1 = torch.tensor([[request.top_p] for request in requests], device=device)
        self.min_p_B1 = torch.tensor([[request.min_p] for request in requests], device=device)
        self.cuts = any(request.top_k or request.top_p < 1 or request.min_p for request in requests)

    def choose(self, logits_BV: torch.Tensor, uniform_B: torch.Tensor | None) -> torch.Tensor:
        """int64 [B] tokens. `logits_BV` float32 with forbidden tokens at -inf; `uniform_B` float64 in [0, 1), None
        where all rows are greedy.

        Greedy rows take the first of equal maxima.
        """
        greedy_B = logits_BV.argmax(-1)
        if self.all_greedy or uniform_B is None:
            return greedy_B
        scaled_BV = logits_BV / self.scale_B1
        drawn_B = self._cut(scaled_BV, uniform_B) if self.cuts else draw(scaled_BV.softmax(-1), uniform_B)
        return torch.where(self.greedy_B, greedy_B, drawn_B)

    def _cut(self, logits_BV: torch.Tensor, uniform_B: torch.Tensor) -> torch.Tensor:
        """Top-k, then top-p of what is left (the smallest set of likeliest tokens whose mass reaches top_p), and none
        below min_p of the likeliest."""
        sorted_BV, order_BV = torch.sort(logits_BV, stable=True, dim=-1, descending=True)
        rank_V = torch.arange(sorted_BV.shape[1], device=sorted_BV.device)
        out_BV = (self.top_k_B1 > 0) & (rank_V >= self.top_k_B1)
        probs_BV = sorted_BV.masked_fill(out_BV, -math.inf).softmax(-1)
        before_BV = probs_BV.cumsum(-1) - probs_BV
        small_BV = (before_BV >= self.top_p_B1) & (self.top_p_B1 < 1) | (probs_BV < self.min_p_B1 * probs_BV[:, :1])
        kept_BV = probs_BV.masked_fill(small_BV, 0)
        return order_BV.gather(1, draw(kept_BV, uniform_B)[:, None])[:, 0]


def draw(probs_BV: torch.Tensor, uniform_B: torch.Tensor) -> torch.Tensor:
    """int64 [B] by inverse of the cumulative distribution; rows need not sum to 1. Never a token of probability 0."""
    cumulative_BV = probs_BV.cumsum(-1, dtype=torch.float64)
    total_B = cumulative_BV[:, -1]
    target_B = torch.minimum(uniform_B * total_B, torch.nextafter(total_B, torch.zeros_like(total_B)))
    return torch.searchsorted(cumulative_BV, target_B[:, None], right=True)[:, 0]


def logprobs(logits_BV: torch.Tensor, tokens_B: torch.Tensor) -> torch.Tensor:
    """float32 [B] natural log-probability of each row's token at temperature 1."""
    return logits_BV.gather(1, tokens_B[:, None])[:, 0] - logits_BV.logsumexp(-1)


def likeliest(logits_V: torch.Tensor, count: int) -> tuple[tuple[int, float], ...]:
    """The `count` likeliest tokens, (id, log-probability at temperature 1), the likeliest first."""
    found = logits_V.log_softmax(-1).topk(count)
    return tuple(zip(found.indices.tolist(), found.values.tolist(), strict=True))


class Penalties:
    """What one request's reply and prompt hold already, and what that takes from the logits of the next token."""

    def __init__(self, request: Request, prompt: Sequence[int], vocab: int, device: torch.device | str = "cpu"):
        self._request = request
        self._counts_V = torch.zeros(vocab, device=device)
        self._seen_V = torch.zeros(vocab, dtype=torch.bool, device=device)
        self._seen_V[torch.tensor(prompt, dtype=torch.long, device=device)] = True

    @staticmethod
    def asked(request: Request) -> bool:
        """Some penalty is set."""
        return bool(request.presence_penalty or request.frequency_penalty) or request.repetition_penalty != 1

    def add(self, token: int) -> None:
        """The reply holds one more token."""
        self._counts_V[token] += 1
        self._seen_V[token] = True

    def apply(self, logits_V: torch.Tensor) -> torch.Tensor:
        """Logits [V] less the penalties: repetition first, then frequency and presence, as vLLM has them."""
        asked = self._request
        divided_V = torch.where(logits_V > 0, logits_V / asked.repetition_penalty, logits_V * asked.repetition_penalty)
        repeated_V = torch.where(self._seen_V, divided_V, logits_V)
        counted_V = asked.frequency_penalty * self._counts_V + asked.presence_penalty * (self._counts_V > 0)
        return repeated_V - counted_V
