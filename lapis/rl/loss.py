"""The policy loss: GRPO's surrogate at token level, clipped asymmetrically, corrected for the engine's arithmetic.

    ratio = exp(current - old)          the trainer now against the trainer when the step began
    w     = min(exp(old - engine), cap) the trainer then against the engine that sampled; no gradient
    loss  = -1/N sum_t w_t min(ratio_t A_t, clip(ratio_t, 1 - low, 1 + high) A_t)  +  kl/N sum_t k3_t
    k3    = exp(reference - current) - (reference - current) - 1

N counts the trained tokens of the whole step, so that long and short answers weigh by their tokens and rows of a step
add up (DAPO, arXiv 2503.14476, sections 3.1 and 3.3). Truncated importance sampling: Yao et al. 2025, "Your efficient
RL framework secretly brings you off-policy RL training". k3: Schulman 2020, "Approximating KL divergence".

Shapes: M trained tokens of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Inputs:
    """Log-probabilities float32 [M] of the written tokens, natural, at temperature 1."""

    current_M: Tensor
    """Under the weights being trained; carries the gradient."""
    engine_M: Tensor
    """As the engine gave them when it sampled."""
    advantages_M: Tensor
    tokens: int
    """Trained tokens of the whole step."""
    old_M: Tensor | None = None
    """Under the trainer's weights when the step began; None: nothing changed since (one update a step)."""
    reference_M: Tensor | None = None
    """Under the starting model, where the KL term is on."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The stage's values (see config.RL)."""

    clip_low: float = 0.2
    clip_high: float = 0.28
    kl: float = 0.0
    is_cap: float = 2.0


@dataclass(frozen=True, slots=True)
class Outputs:
    """Scalars, each a sum over the row divided by the step's tokens: the rows of a step add up to its means."""

    loss: Tensor
    """Carries the gradient; the others are detached."""
    clip: Tensor
    """Share of tokens whose ratio was clipped."""
    mismatch_kl: Tensor
    """KL of the trainer from the engine (k3), in nats a token."""
    capped: Tensor
    """Share of tokens whose importance weight met the cap."""
    kl: Tensor
    """KL from the reference (k3), in nats a token; 0 without one."""
    weight: Tensor
    """Importance weight before its cap."""
    square: Tensor
    """Its square: with it, the weights' effective sample size."""


def compute(inputs: Inputs, settings: Settings) -> Outputs:
    """The row's share of the step's loss."""
    old_M = inputs.current_M.detach() if inputs.old_M is None else inputs.old_M
    ratio_M = (inputs.current_M - old_M).exp()
    clipped_M = ratio_M.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    plain_M, bounded_M = ratio_M * inputs.advantages_M, clipped_M * inputs.advantages_M
    weight_M = (old_M - inputs.engine_M).exp()
    gain_M = weight_M.clamp(max=settings.is_cap) * torch.minimum(plain_M, bounded_M)
    kl_M = k3(inputs.current_M, inputs.current_M if inputs.reference_M is None else inputs.reference_M)
    return Outputs(
        loss=(settings.kl * kl_M - gain_M).sum() / inputs.tokens,
        clip=(bounded_M < plain_M).sum().detach() / inputs.tokens,
        mismatch_kl=k3(inputs.engine_M, old_M).sum() / inputs.tokens,
        capped=(weight_M > settings.is_cap).sum() / inputs.tokens,
        kl=kl_M.detach().sum() / inputs.tokens,
        weight=weight_M.sum() / inputs.tokens,
        square=weight_M.square().sum() / inputs.tokens,
    )


def k3(sampled_M: Tensor, other_M: Tensor) -> Tensor:
    """Schulman's estimate of KL(sampled || other) at tokens drawn from `sampled`; never negative."""
    difference_M = other_M - sampled_M
    return difference_M.exp() - difference_M - 1
