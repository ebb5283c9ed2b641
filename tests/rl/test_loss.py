"""The policy loss and the advantages, by hand and on a bandit whose best policy is known."""

from __future__ import annotations

import math

import pytest
import torch

from lapis.rl.advantage import EPS, group_advantages
from lapis.rl.loss import Inputs, Settings, compute, k3


def logs(*values: float) -> torch.Tensor:
    return torch.tensor(values).log()


def test_advantages_by_hand() -> None:
    rewards_PG = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
    deviation = math.sqrt(4 * 0.25 / 3)
    expected = 0.5 / (deviation + EPS)
    first, second = group_advantages(rewards_PG).tolist()
    assert first == pytest.approx([expected, -expected, -expected, expected]) and second == [0] * 4


def test_on_policy_the_gradient_is_the_advantage_over_the_steps_tokens() -> None:
    current_M = logs(0.5, 0.25, 0.1).requires_grad_()
    advantages_M = torch.tensor([1.0, -2.0, 0.5])
    out = compute(Inputs(current_M, current_M.detach(), advantages_M, tokens=6), Settings())
    out.loss.backward()
    assert torch.allclose(current_M.grad, -advantages_M / 6)
    assert float(out.clip) == 0 and float(out.mismatch_kl) == 0 and float(out.capped) == 0


def test_clipping_is_asymmetric_and_pessimistic() -> None:
    old_M, current_M = logs(0.5, 0.5, 0.5, 0.5), logs(0.7, 0.3, 0.7, 0.3).requires_grad_()
    advantages_M = torch.tensor([1.0, -1.0, -1.0, 1.0])
    inputs = Inputs(current_M, old_M, advantages_M, tokens=4, old_M=old_M)
    out = compute(inputs, Settings(clip_low=0.2, clip_high=0.28))
    assert out.loss.item() == pytest.approx(-(1.28 - 0.8 - 1.4 + 0.6) / 4)
    assert float(out.clip) == pytest.approx(0.5)
    out.loss.backward()
    assert current_M.grad[:2].tolist() == [0, 0] and (current_M.grad[2:] != 0).all()


def test_importance_weights_are_truncated_and_have_no_gradient() -> None:
    current_M = logs(0.4, 0.1).requires_grad_()
    out = compute(Inputs(current_M, logs(0.1, 0.2), torch.ones(2), tokens=2), Settings(is_cap=2.0))
    assert out.loss.item() == pytest.approx(-(2.0 + 0.5) / 2)
    assert float(out.capped) == 0.5
    out.loss.backward()
    assert torch.allclose(current_M.grad, -torch.tensor([2.0, 0.5]) / 2)


def test_k3_by_hand_and_its_place_in_the_loss() -> None:
    assert float(k3(logs(0.5), logs(0.25))) == pytest.approx(0.5 - math.log(0.5) - 1)
    current_M = logs(0.5).requires_grad_()
    inputs = Inputs(current_M, current_M.detach(), torch.zeros(1), tokens=1, reference_M=logs(0.25))
    assert compute(inputs, Settings(kl=0.1)).loss.item() == pytest.approx(0.1 * float(k3(logs(0.5), logs(0.25))))
    engine = Inputs(logs(0.25), logs(0.5), torch.zeros(1), tokens=1)
    assert float(compute(engine, Settings()).mismatch_kl) == pytest.approx(float(k3(logs(0.5), logs(0.25))))


def test_rows_of_a_step_add_up() -> None:
    draw = torch.Generator().manual_seed(0)
    current_M, engine_M = -torch.rand(10, generator=draw), -torch.rand(10, generator=draw)
    advantages_M = torch.randn(10, generator=draw)
    whole = compute(Inputs(current_M, engine_M, advantages_M, 10), Settings())
    parts = [
        compute(Inputs(current_M[at], engine_M[at], advantages_M[at], 10), Settings())
        for at in (slice(3), slice(3, 10))
    ]
    for name in ("loss", "mismatch_kl", "capped", "clip"):
        assert float(getattr(whole, name)) == pytest.approx(sum(float(getattr(part, name)) for part in parts), abs=1e-6)


@pytest.mark.parametrize("engine_noise", [0.0, 0.1])
def test_a_two_armed_bandit_finds_its_best_arm(engine_noise: float) -> None:
    """Arms pay 1 with chance 0.8 and 0.4; the best policy always pulls the first."""
    draw = torch.Generator().manual_seed(0)
    theta_A = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([theta_A], lr=0.05)
    for _ in range(150):
        engine_A = (theta_A.detach() + engine_noise * torch.randn(2, generator=draw)).log_softmax(0)
        arms_M = torch.multinomial(engine_A.exp(), 16, replacement=True, generator=draw)
        pay_M = (torch.rand(16, generator=draw) < torch.where(arms_M == 0, 0.8, 0.4)).float()
        advantages_M = group_advantages(pay_M[None])[0]
        old_M = theta_A.detach().log_softmax(0)[arms_M]
        for _ in range(2):
            inputs = Inputs(theta_A.log_softmax(0)[arms_M], engine_A[arms_M], advantages_M, 16, old_M)
            optimizer.zero_grad()
            compute(inputs, Settings()).loss.backward()
            optimizer.step()
    assert theta_A.softmax(0)[0].item() > 0.95


def taught(
    settings: Settings, start: tuple[float, float], pays: tuple[float, float], lengths: tuple[int, int]
) -> float:
    """Chance of the first arm after some steps. An answer of an arm is its choice, repeated `lengths` times, so that
    an arm may be long; rewards are the arm's own, less the mean over both."""
    draw = torch.Generator().manual_seed(1)
    start_A = torch.tensor(start).log()
    theta_A = start_A.clone().requires_grad_()
    optimizer = torch.optim.Adam([theta_A], lr=0.05)
    for _ in range(150):
        old_A = theta_A.detach().log_softmax(0)
        arms_N = torch.multinomial(old_A.exp(), 64, replacement=True, generator=draw)
        arms_M = arms_N.repeat_interleave(torch.tensor(lengths)[arms_N])
        pay_A = torch.tensor(pays) - (old_A.exp() * torch.tensor(pays)).sum()
        for _ in range(4):
            current_A = theta_A.log_softmax(0)
            inputs = Inputs(
                current_A[arms_M], old_A[arms_M], pay_A[arms_M], len(arms_M), old_A[arms_M],
                start_A.log_softmax(0)[arms_M] if settings.kl else None,
            )  # fmt: skip
            optimizer.zero_grad()
            compute(inputs, settings).loss.backward()
            optimizer.step()
    return theta_A.softmax(0)[0].item()


def test_token_level_loss_finds_the_best_arm_whether_it_is_long_or_short() -> None:
    """DAPO (arXiv 2503.14476, section 3.3). The optimum is always to pull the arm that pays."""
    for lengths in ((1, 8), (8, 1)):
        assert taught(Settings(), (0.5, 0.5), (1.0, 0.0), lengths) > 0.95


def test_a_token_weighs_the_same_in_a_long_and_in_a_short_answer() -> None:
    """Same source: a mean over answers first would give tokens of the long one an eighth of the gradient."""
    current_M = torch.zeros(9, requires_grad=True)
    compute(Inputs(current_M, torch.zeros(9), torch.ones(9), tokens=9), Settings()).loss.backward()
    assert torch.allclose(current_M.grad, torch.full((9,), -1 / 9))


@pytest.mark.parametrize(("start", "advantage", "bound"), [(0.02, 1.0, 1.28), (0.5, -1.0, 0.8)])
def test_a_batch_moves_an_arm_to_its_clip_and_no_further(start: float, advantage: float, bound: float) -> None:
    """DAPO (arXiv 2503.14476, section 3.1): what one batch may make of an arm is start x (1 + high), for a rare arm
    little, so the upper bound is the wider one; downwards it is start x (1 - low)."""
    old_A = logs(start, 1 - start)
    theta_A = old_A.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta_A], lr=0.01)
    for _ in range(100):
        current_M = theta_A.log_softmax(0)[:1]
        inputs = Inputs(current_M, old_A[:1], torch.tensor([advantage]), tokens=1, old_M=old_A[:1])
        optimizer.zero_grad()
        compute(inputs, Settings(clip_low=0.2, clip_high=0.28)).loss.backward()
        optimizer.step()
    assert theta_A.softmax(0)[0].item() == pytest.approx(start * bound, rel=0.02)


def test_with_a_kl_term_the_optimum_is_between_the_start_and_the_best_arm() -> None:
    """The gradient of k3's mean over own samples is that of KL(start || policy) (Tang and Munos 2025, arXiv
    2506.09477), so for two arms p (1 - p) gap = kl (p - start), solved here by bisection."""
    kl, start, gap = 0.5, 0.3, 1.0
    low, high = start, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * (1 - middle) * gap > kl * (middle - start) else (low, middle)
    assert taught(Settings(kl=kl), (start, 1 - start), (gap, 0.0), (1, 1)) == pytest.approx(low, abs=0.06)
