"""Choosing tokens for a batch of requests: temperature, top-k, top-p, each row with its own random numbers.

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


def check(request: Request) -> None:
    """Raises InputError for sampling values out of range (NaN too)."""
    if not (math.isfinite(request.temperature) and request.temperature >= 0):
        raise InputError(f"temperature: {request.temperature}, expected a number of at least 0")
    if not 0 < request.top_p <= 1:
        raise InputError(f"top_p: {request.top_p}, expected above 0 and at most 1")
    if request.top_k < 0:
        raise InputError(f"top_k: {request.top_k}, expected 0 (off) or more")


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
        self.cuts = any(request.top_k or request.top_p < 1 for request in requests)

    def choose(self, logits_BV: torch.Tensor, uniform_B: torch.Tensor) -> torch.Tensor:
        """int64 [B] tokens. `logits_BV` float32 with forbidden tokens at -inf; `uniform_B` float64 in [0, 1).

        Greedy rows take the first of equal maxima.
        """
        greedy_B = logits_BV.argmax(-1)
        if self.all_greedy:
            return greedy_B
        scaled_BV = logits_BV / self.scale_B1
        drawn_B = self._cut(scaled_BV, uniform_B) if self.cuts else draw(scaled_BV.softmax(-1), uniform_B)
        return torch.where(self.greedy_B, greedy_B, drawn_B)

    def _cut(self, logits_BV: torch.Tensor, uniform_B: torch.Tensor) -> torch.Tensor:
        """Top-k, then top-p of what is left: the smallest set of likeliest tokens whose mass reaches top_p."""
        sorted_BV, order_BV = torch.sort(logits_BV, stable=True, dim=-1, descending=True)
        rank_V = torch.arange(sorted_BV.shape[1], device=sorted_BV.device)
        out_BV = (self.top_k_B1 > 0) & (rank_V >= self.top_k_B1)
        probs_BV = sorted_BV.masked_fill(out_BV, -math.inf).softmax(-1)
        before_BV = probs_BV.cumsum(-1) - probs_BV
        kept_BV = probs_BV.masked_fill((before_BV >= self.top_p_B1) & (self.top_p_B1 < 1), 0)
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
