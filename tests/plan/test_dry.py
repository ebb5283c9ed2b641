"""A step without numbers does what a real one does: the same calls, FLOPs and bytes of every collective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from lapis import config
from lapis.dist import mesh as meshes
from lapis.dist.guard import Place
from lapis.model import init
from lapis.plan import fake, job
from lapis.plan.count import Count, Event, Message
from lapis.train import micro, step
from lapis.types import Batch
from tests.dist import jobs
from tests.dist.test_parallel import PACK, batches
from tests.train import world

CPU = Place(torch.device("cpu"), torch.bfloat16)
WEIGHTS = {"cell_weight": 0.3, "patch_weight": 0.5, "place_weight": 0.3, "number_weight": 0.3}
STAGE = world.stage(shape="full", optim=config.Optim(muon=2.0), pack=PACK, **WEIGHTS)
MESHES = {
    "2 data": (2, config.Dist()),
    "2 context": (2, config.Dist(cp=2)),
    "2 tensor": (2, config.Dist(tp=2)),
    "4 copies": (4, config.Dist(replicate=2)),
    "4 context, tensor": (4, config.Dist(cp=2, tp=2)),
}


def stage_of(shape: config.Dist) -> config.Train:
    """With looks, which tensor ranks cannot have."""
    return replace(STAGE, look_weight=0.5 * (shape.tp == 1))


def share(batch: Batch, mesh: meshes.Mesh, network: step.Network) -> Batch:
    """This process's rows."""
    size = len(batch.tokens_BT) // mesh.rows
    parts = micro.parts(batch, step.tiles_per_row(network, batch), range(0, len(batch.tokens_BT) + 1, size))
    return list(parts)[mesh.row_rank]


def told(events: list[Event]) -> dict[str, list[int]]:
    """Calls, FLOPs and bytes by collective, or by kind of call."""
    found: dict[str, list[int]] = {}
    for event in events:
        key = f"{event.purpose} {event.name} {event.ranks}" if isinstance(event, Message) else event.name
        amounts = (1, 0, event.size) if isinstance(event, Message) else (1, event.flops, event.moved)
        found[key] = [one + other for one, other in zip(found.get(key, [0, 0, 0]), amounts, strict=True)]
    return found


def steps(trainer: step.Trainer, batch: Batch) -> list[Event]:
    """Everything of a second step: in the first DTensor tries out what is new to it."""
    trainer.step(batch, job.STEP, 1.0)
    with Count() as count:
        trainer.step(batch, job.STEP, 1.0)
    return count.events


def real(shape: config.Dist, batch: Batch) -> dict[str, list[int]]:
    """Of this process, over gloo."""
    mesh = meshes.build(shape, CPU.device)
    trainer = step.build(step.wrap(init.fresh(world.MODEL, 0)), stage_of(shape), CPU, mesh=mesh)
    return told(steps(trainer, share(batch, mesh, trainer.network)))


def every(processes: int, batch: Batch) -> dict[str, dict[str, list[int]]]:
    return {name: real(shape, batch) for name, (many, shape) in MESHES.items() if many == processes}


def nowhere(processes: int, shape: config.Dist, batch: Batch) -> dict[str, list[int]]:
    """Of rank 0 without the others, and without numbers."""
    with fake.processes(processes):
        mesh = meshes.build(shape, CPU.device)
        mine = share(batch, mesh, step.wrap(init.fresh(world.MODEL, 0)))
        with fake.nowhere(fused=False):
            return told(steps(job.built(world.MODEL, None, stage_of(shape), mesh), mine))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Rows of real shards with tiles and labels, more than a micro-batch of each rank."""
    return batches(tmp_path_factory.mktemp("data"), images=True)[0]


@pytest.fixture(scope="module")
def found(batch: Batch, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[Any]]:
    return cache(lambda processes: jobs.run(every, processes, tmp_path_factory.mktemp("jobs"), processes, batch))


@pytest.mark.parametrize("name", MESHES)
def test_a_step_without_numbers_sends_and_computes_what_a_real_one_does(name: str, found: Any, batch: Batch) -> None:
    processes, shape = MESHES[name]
    expected, mine = found(processes)[0][name], nowhere(processes, shape, batch)
    sent = {key: value for key, value in expected.items() if "(" in key}
    assert sent and {key: value for key, value in mine.items() if "(" in key} == sent
    for key in expected.keys() | mine.keys():
        assert mine.get(key, [0, 0, 0])[1] == expected.get(key, [0, 0, 0])[1], key
