"""What the monitor says: norms against plain sums, alarms for what they are there for, and none otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lapis import config
from lapis.data.deal import Cost, cost_of
from lapis.dist.guard import Place, Spike, Spikes
from lapis.dist.speed import product
from lapis.model import init
from lapis.train import alarms, metrics, monitor, step
from lapis.types import Batch
from tests.train import world

CPU = Place(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    run = tmp_path_factory.mktemp("run")
    world.make_data(run)
    return world.loader(run, {"prose": 0.5, "screen": 0.5}, 1).batch(0)


def trained(batch: Batch, muon: float) -> tuple[step.Trainer, step.Result, dict[str, torch.Tensor]]:
    stage = world.stage(shape="full", optim=config.Optim(muon=muon, clip=1e9))
    made = step.build(step.wrap(init.fresh(world.MODEL, 0)), stage, CPU)
    before = {name: one.detach().clone() for name, one in made.network.named_parameters()}
    return made, made.step(batch, 0, 1.0), before


@pytest.mark.parametrize("muon", [0.0, 2.0])
def test_norms_are_those_of_the_tensors(batch: Batch, muon: float) -> None:
    made, result, before = trained(batch, muon)
    now = dict(made.network.named_parameters())
    for module, norms in result.norms.items():
        names = [name for name in before if monitor.module_of(name) == module]
        size = torch.cat([before[name].flatten() for name in names]).norm()
        moved = torch.cat([(now[name] - before[name]).flatten() for name in names]).norm().item()
        assert norms["parameters"] == pytest.approx(size.item(), rel=1e-5)
        assert norms["updates"] == pytest.approx(moved, rel=1e-5)
        assert norms["update share"] == pytest.approx(moved / size.item(), rel=1e-4)
    whole = sum(norms["gradients"] ** 2 for norms in result.norms.values()) ** 0.5
    assert whole == pytest.approx(result.grad_norm, rel=1e-5)
    assert {monitor.module_of(name) for name in before} == result.norms.keys() >= {"decoder.layers.0", "vit.patch"}
    assert result.rates.keys() == {"vit", "adapter", "decoder"}


def test_most_steps_are_not_watched(batch: Batch) -> None:
    made, _, _ = trained(batch, 0.0)
    assert not made.step(batch, 1, 1.0).norms and made.step(batch, 20, 1.0).norms


def test_flops_count_documents_and_tiles() -> None:
    documents = torch.tensor([[0, 0, 0, 1], [0, 0, -1, -1]])
    filled = dict.fromkeys(("tokens_BT", "targets_BT", "weights_BT", "positions_BT", "kinds_BT"), documents)
    tiles, none = torch.zeros(2, 4, 4, 3), torch.zeros(0, 1)
    batch = Batch(**filled, documents_BT=documents, kinds=(), tiles_NSS3=tiles, cells_VK=none, looks_L5=none)
    assert monitor.flops(batch, Cost(token=1, pair=10, tile=1000)) == 3 * (6 + 10 * (9 + 1 + 4) + 2000)
    assert cost_of(world.MODEL).tile > cost_of(world.MODEL).token > 0 and product(CPU.device, CPU.dtype) > 1e8


def line(**changes: object) -> dict:
    return {"grad_norm": 1.0, "seconds": 0.1, "lr": 1e-3, **changes}


def test_alarms_for_a_jump_a_stall_and_a_module_that_stands_still() -> None:
    rules = monitor.Alarms()
    assert not any(rules.check(line(grad_norm=1 + 0.1 * (at % 3))) for at in range(40))
    assert "gradient norm 20" in rules.check(line(grad_norm=20.0))[0]
    assert "took 5.0 s" in rules.check(line(seconds=5.0))[0]
    still = {"decoder.norm": {"update share": 0.0}, "vit.patch": {"update share": 1e-3}}
    said = [rules.check(line(norms=still)) for _ in range(4)]
    assert said == [[], [], ["decoder.norm stands still: its update is 0 of its weights"], []], "told once, not at once"
    moves = {"decoder.norm": {"update share": 1e-3}}
    assert not any(rules.check(line(norms=one)) for one in (moves, still, still, moves, still, still))
    assert not any(rules.check(line(norms=still, lr=0.0)) for _ in range(5))


def test_alarms_are_told_and_kept_by_one_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for speaks in (True, False):
        with alarms.Told(tmp_path, "sft", speaks) as told:
            for at in range(40):
                told.check(line(step=at + 1, grad_norm=50.0 if at == 30 else 1.0))
    kept = [json.loads(text) for text in (tmp_path / alarms.NAME).read_text().splitlines()]
    assert [(one["step"], one["alarm"]) for one in kept] == [(31, "gradient norm 50, and 1 is usual")]
    assert caplog.messages == ["sft, step 31: gradient norm 50, and 1 is usual"]


def test_a_spike_is_far_above_what_was_usual() -> None:
    spikes = Spikes(30.0)
    for at in range(100):
        spikes.check(at, 3.0 + 0.2 * (at % 5))
    spikes.check(100, 6.0)
    with pytest.raises(Spike, match=r"step 101: loss is 12\.000, and 3\.400 was usual"):
        spikes.check(101, 12.0)
    Spikes(0.0).check(0, 1e9)


def test_tensorboard_and_lines_hold_the_same(tmp_path: Path) -> None:
    with metrics.Metrics(tmp_path, 0) as writer:
        writer.write({"step": 1, "loss": 2.0, "norms": {"vit": {"updates": 0.5}}})
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(found.Tags()["scalars"]) == {"loss", "norms/vit/updates"}
