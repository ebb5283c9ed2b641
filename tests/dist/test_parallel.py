"""Every mesh of up to four processes trains like one process: losses, gradient norms and the weights after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from lapis import config
from lapis.dist import mesh as meshes
from lapis.dist.guard import Place
from lapis.model import init
from lapis.train import micro, step
from lapis.types import Batch
from tests.dist import jobs
from tests.train import world

CPU = Place(torch.device("cpu"), torch.float32)
PACK = config.Pack(row_tokens=96, rows=12, tiles=24)
STEPS = 3
WEIGHTS = {"cell_weight": 0.3, "patch_weight": 0.5, "place_weight": 0.3, "number_weight": 0.3}
MESHES = {
    "2 data": (2, config.Dist()),
    "2 context": (2, config.Dist(cp=2)),
    "2 ulysses": (2, config.Dist(cp=2, context="ulysses")),
    "2 tensor": (2, config.Dist(tp=2)),
    "2 data by layer": (2, config.Dist(whole_mb=0)),
    "3 data": (3, config.Dist()),
    "4 copies": (4, config.Dist(replicate=2)),
    "4 context": (4, config.Dist(cp=4)),
    "2 data, 2 context": (4, config.Dist(cp=2)),
    "2 data, 2 context by layer": (4, config.Dist(cp=2, whole_mb=0)),
    "2 data, 2 tensor": (4, config.Dist(tp=2, whole_mb=0)),
    "2 context, 2 tensor": (4, config.Dist(cp=2, tp=2)),
}
APART = ("grad_norm", "imbalance")
MODULE = 2e-3
"""Largest relative difference of a module's norms."""
LOSS, NORM, WEIGHT = 3e-5, 1e-4, 5e-4
"""Largest relative differences of losses and norms, and absolute ones of weights after three steps of Muon and AdamW,
whose first steps turn the smallest gradient into a full one: measured 7e-6, 3e-5 and 1.4e-4."""


def joined(parts: list[Batch]) -> Batch:
    """Rows of several batches as one."""
    values: dict[str, Any] = {"kinds": parts[0].kinds}
    for name in (field.name for field in fields(Batch) if field.name not in ("kinds", "looks_L5")):
        values[name] = torch.cat([getattr(part, name) for part in parts])
    first, looks = 0, []
    for part in parts:
        looks.append(part.looks_L5 + torch.tensor([first, 0, 0, 0, 0]))
        first += len(part.tokens_BT)
    return Batch(**values, looks_L5=torch.cat(looks))


def batches(run: Path, images: bool) -> list[Batch]:
    """Rows with most tiles first, so that ranks hold uneven numbers of tiles and some hold none."""
    world.make_data(run, 80)
    mixture = {"prose": 3.0, "screen": 1.0} if images else {"prose": 1.0}
    loader = world.loader(run, mixture, STEPS, PACK)
    found = []
    for number in range(STEPS):
        batch = loader.batch(number)
        tiles_B = step.tiles_per_row(step.wrap(init.fresh(world.MODEL, 0)), batch)
        rows = list(micro.parts(batch, tiles_B, range(PACK.rows + 1)))
        found.append(joined([rows[at] for at in tiles_B.argsort(descending=True).tolist()]))
    assert images == any(len(one.tiles_NSS3) for one in found)
    return found


def train(mesh: meshes.Mesh, every: list[Batch], looks: bool) -> dict[str, Any]:
    """Three steps on this process's rows, of text under a teacher; the figures of each and the whole weights after."""
    stage = world.stage(shape="full", optim=config.Optim(muon=2.0), look_weight=0.5 * looks, **WEIGHTS)
    teacher = None
    if not any(len(batch.tiles_NSS3) for batch in every):
        stage = replace(stage, shape="student", trains=("decoder",), distil=config.Distil("teacher", weight=0.5))
        teacher = step.wrap(init.fresh(world.TEACHER, 1))
    network = init.fresh(world.MODEL if teacher is None else world.DECODER, 0)
    trainer = step.build(step.wrap(network), stage, CPU, teacher, mesh=mesh)
    results = []
    for number, batch in enumerate(every):
        size = len(batch.tokens_BT) // mesh.rows
        tiles_B = step.tiles_per_row(trainer.network, batch)
        mine = list(micro.parts(batch, tiles_B, range(0, PACK.rows + 1, size)))[mesh.row_rank]
        results.append(asdict(trainer.step(mine, number, 1.0)))
    return {"results": results, "weights": dict(trainer.engine.weights())}


Rows = dict[str, list[Batch]]


def spread(processes: int, rows: Rows) -> dict[str, dict[str, Any]]:
    """Every mesh of so many processes, one after the other, on both kinds of batches."""
    return {
        f"{name}, {kind}": train(meshes.build(shape, CPU.device), every, shape.tp == 1)
        for name, (many, shape) in MESHES.items()
        if many == processes
        for kind, every in rows.items()
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = tmp_path_factory.mktemp("data")
    return {kind: batches(folder / kind, kind == "images") for kind in ("images", "text")}


@pytest.fixture(scope="module")
def found(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[Any]]:
    return cache(lambda processes: jobs.run(spread, processes, tmp_path_factory.mktemp("jobs"), processes, rows))


@pytest.fixture(scope="module")
def alone(rows: Rows) -> Callable[[str, bool], dict[str, Any]]:
    return cache(lambda kind, looks: train(meshes.alone(), rows[kind], looks))


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("kind", ["images", "text"])
def test_every_mesh_trains_like_one_process(name: str, kind: str, found: Any, alone: Any) -> None:
    processes, shape = MESHES[name]
    torch.set_num_threads(1)
    expected = alone(kind, shape.tp == 1)
    for mine in (rank[f"{name}, {kind}"] for rank in found(processes)):
        for result, one in zip(mine["results"], expected["results"], strict=True):
            assert result["kinds"] == pytest.approx(one["kinds"], rel=LOSS)
            assert result["grad_norm"] == pytest.approx(one["grad_norm"], rel=NORM)
            others = {
                key: value for key, value in result.items() if isinstance(value, int | float) and key not in APART
            }
            assert others == pytest.approx({key: one[key] for key in others}, rel=LOSS)
            assert result["norms"].keys() == one["norms"].keys() and 0 <= result["imbalance"] < 1
            for module, values in one["norms"].items():
                assert result["norms"][module] == pytest.approx(values, rel=MODULE, abs=1e-9), module
        for key, weight in expected["weights"].items():
            torch.testing.assert_close(mine["weights"][key], weight, rtol=0, atol=WEIGHT, msg=key)


def test_ranks_are_uneven(rows: Rows) -> None:
    """What the meshes are tried on: tiles in the first rows only, documents that share rows, and no tile at all."""
    counts = [step.tiles_per_row(step.wrap(init.fresh(world.MODEL, 0)), one).tolist() for one in rows["images"]]
    assert all(sum(one[:6]) > 0 == one[-1] for one in counts)
    assert all(int(one.documents_BT.max()) > 0 for one in rows["images"])
    assert not any(len(one.tiles_NSS3) for one in rows["text"])
