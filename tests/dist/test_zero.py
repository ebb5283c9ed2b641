"""DeepSpeed's ZeRO trains like one process and like FSDP2, and checkpoints go from any engine to any other."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from lapis import coherent, config
from lapis.data.looks import CLUE, FROM_QUESTION, FROM_THOUGHT
from lapis.dist import checkpoint, zero
from lapis.dist import mesh as meshes
from lapis.dist.guard import NonFinite
from lapis.model import init
from lapis.overrides import check
from lapis.recipes import pocket
from lapis.train import micro, step
from lapis.types import IGNORE, Batch, InputError
from tests.dist import jobs, test_parallel
from tests.dist.test_parallel import CPU, LOSS, MODULE, NORM, PACK, STEPS, WEIGHT, Rows
from tests.train import world

FSDP, TWO, THREE = config.Dist(), config.Dist(engine="deepspeed", zero=2), config.Dist(engine="deepspeed", zero=3)
SHAPES = {"2": TWO, "3": THREE, "2, tokens": replace(TWO, cp=2), "3, tokens": replace(THREE, cp=2)}
SHORT = ("FSDP2, tokens", "2, tokens", "3, tokens")
"""Under which a rank may hold nothing but padding."""
SLOW = 0.01
"""Of the peak rates, where a first step at full ones would turn the order of sums into differences that are told."""
MICRO = 4 * PACK.row_tokens
"""Most tokens of a micro-batch where a step has several."""
STAY = 100
"""Most elements that stage 3 leaves whole: norms and biases, and nothing else of so small a network."""
FROZEN = {"adapter": ("adapter",), "eyes": ("vit", "adapter"), "decoder": ("decoder",)}
PLAIN = (
    ("2", "images"),
    ("2", "text"),
    ("3", "images"),
    ("3", "text"),
    ("2, tokens", "images"),
    ("3, tokens", "images"),
)
STILL = (("2", "adapter"), ("2", "decoder"), ("3", "eyes"), ("3", "decoder"))
"""Shapes, and what is trained under them: on batches of a kind, or some parts alone."""
ROADS = {"3 to 2": (THREE, TWO), "2 to 3": (TWO, THREE), "3 to FSDP2": (THREE, FSDP), "FSDP2 to 3": (FSDP, THREE)}
needs_deepspeed = pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")


def looking(batch: Batch) -> Batch:
    """With looks in the first row alone, so that one rank looks and another does not."""
    at = (batch.documents_BT[0] == batch.documents_BT[0, 0]).nonzero()[:, 0].tolist()
    kinds = [(FROM_QUESTION, 0), (CLUE, 0), (FROM_THOUGHT, 0), (250, 500)]
    looks = [[0, at[5 + number], at[1 + number], *kind] for number, kind in enumerate(kinds)]
    return replace(batch, looks_L5=torch.tensor(looks))


def short(batch: Batch) -> Batch:
    """With nothing behind the first quarter of its rows: a context rank has padding only."""
    ends = batch.tokens_BT.shape[1] // 4
    hidden = torch.arange(batch.tokens_BT.shape[1]) >= ends
    return replace(
        batch,
        documents_BT=batch.documents_BT.masked_fill(hidden, -1),
        targets_BT=batch.targets_BT.masked_fill(hidden, IGNORE),
    )


def trainer(mesh: meshes.Mesh, **changes: Any) -> step.Trainer:
    optim = config.Optim(muon=2.0, vit_layer_decay=0.5, lr_adapter=2e-3)
    stage = world.stage(shape="full", optim=optim, look_weight=0.5, **test_parallel.WEIGHTS, **changes)
    return step.build(step.wrap(init.fresh(world.MODEL, 0)), stage, CPU, mesh=mesh)


def rows_of(mesh: meshes.Mesh, made: step.Trainer, batch: Batch) -> Batch:
    """This process's rows."""
    bounds = range(0, PACK.rows + 1, PACK.rows // mesh.rows)
    return list(micro.parts(batch, step.tiles_per_row(made.network, batch), bounds))[mesh.row_rank]


def go(made: step.Trainer, every: list[Batch], steps: range, scale: float = 1.0) -> list[dict[str, Any]]:
    return [asdict(made.step(rows_of(made.mesh, made, every[at]), at, scale * (1.0 - 0.3 * at))) for at in steps]


def ended(made: step.Trainer, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"results": results, "weights": dict(made.engine.weights())}


@contextlib.contextmanager
def small_parts() -> Iterator[None]:
    before, micro.cut = micro.cut, partial(micro.cut, most=MICRO)
    try:
        yield
    finally:
        micro.cut = before


def carried_on(roads: tuple[config.Dist, config.Dist], every: list[Batch], folder: Path) -> dict[str, Any]:
    """Two steps under one engine, a checkpoint, and the third under another, which began with a wrong step."""
    one, other = (meshes.build(shape, CPU.device) for shape in roads)
    first = trainer(one)
    results = go(first, every, range(2))
    checkpoint.save(folder, 2, first.tensors(), {"updates": first.updates}, mesh=one)
    second = trainer(other)
    go(second, every, range(2, 3))
    tensors = second.tensors()
    facts = checkpoint.load(folder, tensors, other)
    assert facts is not None
    second.restored(tensors, facts["updates"])
    return ended(second, results + go(second, every, range(2, 3)))


def recovered(mesh: meshes.Mesh, every: list[Batch]) -> dict[str, Any]:
    """A step with a number that is none changes nothing, and a trainer built after it is like the first."""
    made = trainer(mesh)
    before = dict(made.engine.weights())
    bad = replace(every[0], weights_BT=torch.full_like(every[0].weights_BT, torch.inf))
    with pytest.raises(NonFinite):
        go(made, [bad], range(1))
    assert all(torch.equal(before[name], weight) for name, weight in made.engine.weights())
    made.engine.close()
    return trained(mesh, every)


def shares(mesh: meshes.Mesh, every: list[Batch]) -> list[float]:
    """Of all elements: those that this process updates, those of its gradients, and those that it holds as weights."""
    made = trainer(mesh)
    go(made, every, range(1))
    pieces = made.engine.pieces.values()
    total = sum(piece.shape.numel() for piece in pieces)
    held = sum(one.numel() for one in made.network.parameters())
    grads = sum(0 if one.grad is None else one.grad.numel() for one in made.network.parameters())
    return [sum(piece.own.numel() for piece in pieces) / total, grads / total, held / total]


def trained(mesh: meshes.Mesh, every: list[Batch], scale: float = 1.0, **changes: Any) -> dict[str, Any]:
    made = trainer(mesh, **changes)
    return ended(made, go(made, every, range(STEPS), scale))


def work(rows: Rows, folder: Path) -> dict[str, Any]:
    """All of this file in one start of two processes, and whatever was said meanwhile on stdout."""
    images, said, zero.STAY = rows["images"], io.StringIO(), STAY
    with contextlib.redirect_stdout(said):
        built = {name: meshes.build(shape, CPU.device) for name, shape in SHAPES.items()}
        found = {f"{name}, {kind}": test_parallel.train(built[name], rows[kind], True) for name, kind in PLAIN}
        found |= {f"{name}, {part}": trained(built[name], images, trains=FROZEN[part]) for name, part in STILL}
        with small_parts():
            found |= {f"{name}, parts": trained(built[name], images) for name in "23"}
        tokens = {**built, "FSDP2, tokens": meshes.build(replace(FSDP, cp=2), CPU.device)}
        found |= {f"{name}, short": trained(tokens[name], list(map(short, images)), SLOW) for name in SHORT}
        found |= {f"{name}, looks": trained(built[name], list(map(looking, images)), SLOW) for name in SHAPES}
        found |= {f"{name}, recovered": recovered(built[name], images) for name in "23"}
        found |= {road: carried_on(ROADS[road], images, folder / road) for road in ROADS}
        found |= {f"shares {name}": shares(built[name], images) for name in "23"}
    return found | {"said": said.getvalue()}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = tmp_path_factory.mktemp("data")
    images, text = (test_parallel.batches(folder / kind, kind == "images") for kind in ("images", "text"))
    return {"images": images, "text": text}


@pytest.fixture(scope="module")
def found(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return jobs.run(work, 2, tmp_path_factory.mktemp("jobs"), rows, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def alone(rows: Rows) -> dict[str, Any]:
    torch.set_num_threads(1)
    mesh = meshes.alone()
    every = {kind: test_parallel.train(mesh, batches, True) for kind, batches in rows.items()}
    parts = {part: trained(mesh, rows["images"], trains=trains) for part, trains in FROZEN.items()}
    odd = {"short": map(short, rows["images"]), "looks": map(looking, rows["images"])}
    odd = {name: trained(mesh, list(batches), SLOW) for name, batches in odd.items()}
    return every | parts | odd | {"plain": trained(mesh, rows["images"])}


def assert_like(mine: dict[str, Any], expected: dict[str, Any]) -> None:
    for result, one in zip(mine["results"], expected["results"], strict=True):
        for key in (key for key, value in one.items() if isinstance(value, float) and key != "imbalance"):
            assert result[key] == pytest.approx(one[key], rel=NORM if key == "grad_norm" else LOSS), key
        assert (result["tokens"], result["tiles"]) == (one["tokens"], one["tiles"])
        assert result["norms"].keys() == one["norms"].keys()
        for module, values in one["norms"].items():
            assert result["norms"][module] == pytest.approx(values, rel=MODULE, abs=1e-9), module
    assert mine["weights"].keys() == expected["weights"].keys()
    for key, weight in expected["weights"].items():
        torch.testing.assert_close(mine["weights"][key], weight, rtol=0, atol=WEIGHT, msg=key)


CASES = (
    *((f"{name}, {kind}", kind) for name, kind in (*PLAIN, *STILL)),
    *((f"{name}, {what}", "plain") for name in "23" for what in ("parts", "recovered")),
    *((road, "plain") for road in ROADS),
    *((f"{name}, short", "short") for name in SHORT),
    *((f"{name}, looks", "looks") for name in SHAPES),
)


@needs_deepspeed
@pytest.mark.parametrize(("name", "like"), CASES)
def test_it_trains_like_one_process(name: str, like: str, found: Any, alone: Any) -> None:
    """Images in the first rows only, documents packed, Muon and AdamW, rates by part and layer, a teacher for text;
    frozen parts, several micro-batches, a step that must not count, and checkpoints of other engines."""
    for rank in found:
        assert_like(rank[name], alone[like])


@needs_deepspeed
def test_each_process_has_its_share(found: Any) -> None:
    """Half of the moments, no gradients between steps, and under stage 3 few whole weights."""
    for rank in found:
        assert rank["shares 2"] == [pytest.approx(0.5, abs=0.01), 0.0, 1.0]
        assert rank["shares 3"] == [pytest.approx(0.5, abs=0.01), 0.0, pytest.approx(0.02, abs=0.02)]


@needs_deepspeed
def test_it_says_nothing(found: Any) -> None:
    assert [rank["said"] for rank in found] == ["", ""]


def changed(**changes: Any) -> config.Recipe:
    return replace(pocket.recipe(), dist=config.Dist(**{"engine": "deepspeed", "nproc": 2, **changes}))


@needs_deepspeed
def test_every_stage_of_a_recipe_may_have_it() -> None:
    coherent.check(changed())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"nproc": 1}, "dist.nproc: 1, expected 2 or more with dist.engine = deepspeed"),
        ({"replicate": 2}, "dist.replicate: 2, expected 1 with dist.engine = deepspeed"),
        ({"tp": 2}, "dist.tp: 2, expected 1 with dist.engine = deepspeed"),
    ],
)
def test_what_it_cannot_do_is_refused(changes: dict[str, int], line: str) -> None:
    with pytest.raises(InputError) as told:
        zero.refuse(changed(**changes))
    assert str(told.value) == line


def test_a_part_without_gradient_is_refused() -> None:
    recipe = changed()
    stages = tuple(
        replace(entry, trains=("vit", "adapter", "decoder")) if entry.name == "vision" else entry
        for entry in recipe.stages
    )
    with pytest.raises(InputError, match=r"stages.vision.trains: decoder, which has no gradient .* leave it out"):
        coherent.check(replace(recipe, stages=stages))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zero.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'dist.engine: deepspeed is not installed; pip install .* ".\[deepspeed\]"'):
        coherent.check(changed())


def test_there_is_no_other_stage_of_zero() -> None:
    with pytest.raises(InputError, match="zero"):
        check(config.Dist, {"zero": 1})
