"""Groups by part, the schedule, and what the optimizer remembers."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lapis import config
from lapis.model import init
from lapis.train import optim
from tests.train import world

OPTIM = config.Optim(lr=1e-3, lr_adapter=2e-3, lr_vit=4e-3, vit_layer_decay=0.5, weight_decay=0.1, warmup=0.1)


def groups() -> dict[str, tuple[float, float]]:
    """Parameter name to (peak rate, weight decay)."""
    network = init.fresh(world.MODEL, 0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    built = optim.build(network, OPTIM).param_groups
    return {names[id(one)]: (group["peak"], group["weight_decay"]) for group in built for one in group["params"]}


def test_every_parameter_is_in_one_group() -> None:
    assert groups().keys() == dict(init.fresh(world.MODEL, 0).named_parameters()).keys()


def test_rates_by_part_and_vit_layer() -> None:
    rates = {name: rate for name, (rate, _) in groups().items()}
    assert {rate for name, rate in rates.items() if name.startswith("decoder.")} == {1e-3}
    assert {rate for name, rate in rates.items() if name.startswith("adapter.")} == {2e-3}
    assert {rate for name, rate in rates.items() if name.startswith(("vit.layers.1.", "vit.norm."))} == {4e-3}
    assert {rate for name, rate in rates.items() if name.startswith("vit.layers.0.")} == {2e-3}
    assert {rate for name, rate in rates.items() if name.startswith(("vit.patch.", "vit.positions"))} == {1e-3}


def test_decay_on_matrices_only() -> None:
    sizes = {name: one.ndim for name, one in init.fresh(world.MODEL, 0).named_parameters()}
    for name, (_, decay) in groups().items():
        table = "embedding" in name or "positions" in name
        assert decay == (0.0 if sizes[name] < 2 or table else 0.1), name


def test_schedule() -> None:
    factors = [optim.factor(step, 100, OPTIM) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[9] == factors[10] == 1.0
    assert factors[-1] == pytest.approx(OPTIM.end)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    middle = optim.factor(10 + 89 // 2, 100, OPTIM)
    assert middle == pytest.approx((1.0 + OPTIM.end) / 2, abs=0.02)


def test_stages_chain_into_one_plan() -> None:
    first = dataclasses.replace(OPTIM, warmup=0.0, start=1.0, end=0.6)
    second = dataclasses.replace(OPTIM, warmup=0.0, start=0.6, end=0.1)
    assert optim.factor(49, 50, first) == pytest.approx(optim.factor(0, 50, second))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_stages_have_a_schedule(steps: int) -> None:
    assert all(0 < optim.factor(step, steps, OPTIM) <= 1 for step in range(steps))


def test_update_equals_stock_adamw() -> None:
    """Eager state and groups change nothing: the same updates as torch's own optimizer, step by step."""
    plain = dataclasses.replace(OPTIM, lr_adapter=1e-3, lr_vit=1e-3, vit_layer_decay=1.0, weight_decay=0.0)
    ours, theirs = init.fresh(world.MODEL, 0), init.fresh(world.MODEL, 0)
    mine = optim.build(ours, plain)
    stock = torch.optim.AdamW(theirs.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0)
    for step in range(3):
        for network in (ours, theirs):
            random = torch.Generator().manual_seed(step)
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=random)
        mine.step()
        stock.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_rates_follow_the_factor() -> None:
    adamw = optim.build(init.fresh(world.MODEL, 0), OPTIM)
    assert optim.set_rates(adamw, 0.5) == pytest.approx(2e-3)
    assert all(group["lr"] == group["peak"] * 0.5 for group in adamw.param_groups)


def test_muon_takes_the_hidden_matrices_only() -> None:
    network = init.fresh(world.MODEL, 0)
    built = optim.build(network, dataclasses.replace(OPTIM, muon=3.0))
    for name, parameter in network.named_parameters():
        hidden = parameter.ndim == 2 and ("layers." in name or name.startswith("adapter."))
        kept = {moment for owner, moment, _ in built.moments() if owner == name}
        assert kept == ({"momentum_buffer"} if hidden else {"exp_avg", "exp_avg_sq"}), name
    peaks = {group["peak"] for group in built.param_groups if group["part"] == "decoder"}
    assert sorted(peaks) == pytest.approx([1e-3, 3e-3])


def spread(matrix: torch.Tensor) -> float:
    """Largest by smallest singular value."""
    values = torch.linalg.svdvals(matrix)
    return float(values[0] / values[-1])


def test_muon_moves_a_matrix_alike_in_all_directions() -> None:
    """The update of a random gradient is nearly orthogonal, and of the size of AdamW's."""
    network = init.fresh(world.MODEL, 0)
    built = optim.build(network, dataclasses.replace(OPTIM, muon=1.0, weight_decay=0.0))
    before = {name: one.detach().clone() for name, one in network.named_parameters()}
    random = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)
    optim.set_rates(built, 1.0)
    built.step()
    kept = {(name, moment) for name, moment, _ in built.moments()}
    for name, parameter in network.named_parameters():
        moved = (parameter - before[name]).detach()
        if (name, "momentum_buffer") in kept and name.startswith("decoder."):
            assert spread(moved) < 10 < spread(parameter.grad) or spread(moved) < 0.5 * spread(parameter.grad)
            assert 0.1e-3 < float(moved.square().mean().sqrt()) < 0.4e-3


def test_two_lanes_update_alike_to_the_bit() -> None:
    """Muon's matrices by two threads: each is in one share, the shares weigh about alike, and nothing else changes."""
    networks = [init.fresh(world.MODEL, 0) for _ in range(2)]
    built = [
        optim.build(network, dataclasses.replace(OPTIM, muon=1.0), lanes)
        for network, lanes in zip(networks, (1, 2), strict=True)
    ]
    for network, one in zip(networks, built, strict=True):
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        one.step()
    assert [len(one.parts) for one in built] == [2, 3]
    for alone, shared in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(alone, shared)
    costs = [
        sum(one.numel() * min(one.shape) for group in part.param_groups for one in group["params"])
        for part in built[1].parts[1:]
    ]
    assert max(costs) < 1.5 * min(costs)
