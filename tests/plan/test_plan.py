"""Plans of whole stages: what they say, for whom they fit, and worlds that do not divide the work."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lapis import cli, config
from lapis.plan import batch, job, table
from lapis.plan.hardware import load
from lapis.recipes import blue3b, pocket
from lapis.train import micro
from lapis.types import InputError
from tests.train import world

STAGE = world.stage(shape="full", pack=config.Pack(row_tokens=4096, rows=16, tiles=16))
RECIPE = replace(world.recipe(STAGE), dist=config.Dist())


def planned(gpus: int, shape: config.Dist = RECIPE.dist, **changes: Any) -> dict[str, Any]:
    recipe = replace(RECIPE, dist=shape)
    one = job.job(replace(STAGE, **changes), recipe, gpus, 8, copies=True)
    return table.plan(one, load("h100"))


def test_pocket_on_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "pocket", "--gpus", "2", "--stage", "joint-b"]) == 0
    out = capsys.readouterr().out
    assert "stage joint-b on 2 GPUs" in out and "96.8%" in out and "NVIDIA H100 datasheet" in out
    assert "weights  all-gather          2 ranks" in out


def test_pocket_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "pocket", "--gpus", "2", "--stage", "teacher", "dist.cp=2", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    (stage,) = made["stages"]
    assert stage["mesh"] == {"rows": 1, "cp": 2, "tp": 1, "copies": 1} and stage["scaling"] is None
    assert {row["purpose"] for row in stage["messages"]} == {"weights", "rows", "sums"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--gpus", "0"], "--gpus 0: expected 1 or more"),
        (
            ["--gpus", "3", "dist.cp=2"],
            "stage joint-b: --gpus: 3 processes, expected a multiple of replicate x cp x tp = 2",
        ),
        (["--gpus", "4", "dist.tp=4"], "dist.tp: "),
        (["--gpus", "2", "--stage", "nope"], "--stage nope: no such training stage"),
        (["--gpus", "2", "--hardware", "nope"], "nope: no such machine"),
        (["--json"], "expected --gpus"),
    ],
)
def test_what_does_not_fit_is_one_line(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "pocket", *words]) == 2
    error = capsys.readouterr().err
    assert named in error and error.count("\n") == 1


def test_memory_and_flops_are_those_of_the_shape() -> None:
    """Weights and moments in pieces; the FLOPs of a rank are its share of the model's, but for attention's backward,
    which works scores out again."""
    alone, two = planned(1), planned(2)
    parameters = job.Lapis(world.MODEL).decoder.embedding.weight.numel()
    assert alone["memory"]["moments"] == 2 * alone["memory"]["weights"] > 12 * parameters
    assert two["memory"]["weights"] == pytest.approx(alone["memory"]["weights"] / 2, rel=0.01)
    for made in (alone, two):
        assert made["memory"]["peak"] > 2 * made["memory"]["weights"]
        share = made["flops"]["of a rank"] * made["gpus"] / made["flops"]["of the model"]
        assert share == pytest.approx(1.0, rel=0.15)
    assert two["scaling"]["gpus"] == 1 and 0 < two["scaling"]["efficiency"] <= 1


@pytest.mark.parametrize("whole_mb", [0, 256])
def test_micro_batches_add_up(whole_mb: int) -> None:
    """A step of three is what follows from one and two: sums once, and gathers too where a network stays whole, else
    with every one."""
    rows = micro.MICRO_TOKENS // STAGE.pack.row_tokens
    sent = [_calls(replace(STAGE.pack, rows=2 * rows * many), whole_mb) for many in (1, 2, 3)]
    for key in sent[0]:
        assert sent[2][key] - sent[1][key] == sent[1][key] - sent[0][key]
    assert (sent[2]["weights", "all-gather"] == sent[0]["weights", "all-gather"]) == bool(whole_mb)
    assert sent[2]["weights", "reduce-scatter"] == sent[0]["weights", "reduce-scatter"]


def _calls(pack: config.Pack, whole_mb: int) -> dict[tuple[str, str], int]:
    recipe = replace(RECIPE, dist=replace(RECIPE.dist, whole_mb=whole_mb))
    trace = job.run(job.job(replace(STAGE, pack=pack), recipe, 2, 8, copies=True), fused=True)
    return {(row["purpose"], row["name"]): row["calls"] for row in table.messages(trace)}


def test_a_node_holds_the_weights_once() -> None:
    stage = table.stages_of(blue3b.recipe(), "joint-b")[0]
    one = job.job(stage, blue3b.recipe(), 1024, 8, copies=True)
    assert (one.mesh.replicate, one.rows, one.own, one.micro, one.together) == (128, 256, 64, 4, 2)
    base = job.smaller(one, 8)
    assert base is not None and (base.world, base.own, base.micro, base.together) == (8, 64, 4, 2)
    assert base.filling == one.filling and 0 <= base.waits <= one.waits < 0.2


def test_the_rank_that_waits_for_nobody_is_planned() -> None:
    """A long document and short ones behind it: who has two slices of its end or middle sees most."""
    stage = next(one for one in blue3b.recipe().stages if one.name == "long")
    one = job.job(stage, blue3b.recipe(), 1024, 8, copies=True)
    assert one.filling.lengths[0] == 26214 and one.rank == 2
    assert job.job(replace(stage, mixture={"prose": 1.0}), blue3b.recipe(), 1024, 8, copies=True).rank == 0


def test_stages_that_are_planned() -> None:
    assert [stage.name for stage in table.stages_of(blue3b.recipe(), None)] == ["joint-b", "long"]
    assert len(table.stages_of(pocket.recipe(), "all")) > 5
    with pytest.raises(InputError, match="no such training stage"):
        table.stages_of(pocket.recipe(), "rl")


def test_a_stages_network_is_its_parents() -> None:
    recipe = blue3b.recipe()
    found = {stage.name: job.network_of(stage, recipe) for stage in table.stages_of(recipe, "all")}
    assert found["teacher"] == recipe.teacher and found["distil-decay"] == recipe.model.decoder
    assert found["joint-a"] == found["sft"] == recipe.model


def test_a_typical_batch_is_full() -> None:
    recipe = blue3b.recipe()
    for stage in table.stages_of(recipe, None):
        held = batch.filling(stage, recipe.model)
        made = batch.make(held, 2, recipe.model)
        assert made.tokens_BT.shape == (2, stage.pack.row_tokens) and int(made.documents_BT.min()) == 0
        places = int((made.tokens_BT == recipe.model.image_token).sum())
        assert places == len(made.cells_VK) == 2 * held.tiles * recipe.model.tokens_per_tile
