"""Entries of a recipe walked over a real run folder, from text to the whole model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lapis import config
from lapis.model import convert
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.train import stages
from lapis.types import InputError
from tests.train import world

YARN = config.Yarn(factor=4.0, original=96)
ENTRIES = (
    world.stage("teacher", shape="teacher", steps=3),
    config.Prune("prune", "teacher", samples=6, row_tokens=96),
    world.stage("distil", "prune", steps=3, distil=config.Distil("teacher", weight=0.5)),
    config.Join("join", "distil"),
    world.stage("warm", "join", steps=2, mixture={"screen": 1.0}, lm_weight=0.0, cell_weight=1.0, trains=("vit",)),
    world.stage("long", "warm", steps=2, mixture={"prose": 0.5, "screen": 0.5}, shape="full", yarn=YARN),
)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, config.Recipe, dict[str, int]]:
    run = tmp_path_factory.mktemp("run")
    world.make_data(run)
    recipe, steps = world.recipe(*ENTRIES), {}
    for entry in ENTRIES:
        seen = world.Seen()
        stages.run_entry(entry, recipe, run, seen)
        steps[entry.name] = seen.steps
    return run, recipe, steps


def done(run: Path, name: str) -> dict:
    return json.loads((run / name / "done.json").read_text())


def test_every_entry_leaves_the_same_files(walked) -> None:
    run, _, steps = walked
    for entry in ENTRIES:
        names = {path.name for path in (run / entry.name).iterdir()}
        assert {"config.json", "model", "done.json"} <= names
        assert not [name for name in names if name.endswith(".tmp")]
        saved = json.loads((run / entry.name / "config.json").read_text())
        assert saved["name"] == entry.name and saved["op"] == entry.op and saved["recipe"]["name"] == "small"
        assert steps[entry.name] == max(getattr(entry, "steps", 0), 1)


def test_models_have_the_shapes_of_the_recipe(walked) -> None:
    run, recipe, _ = walked
    shapes = {entry.name: convert.config_of(run / entry.name / "model") for entry in ENTRIES}
    assert shapes["teacher"].width == recipe.teacher.width
    assert shapes["prune"].width == shapes["distil"].width == recipe.model.decoder.width
    assert shapes["join"].vit == recipe.model.vit and shapes["join"].anyres == recipe.model.anyres
    assert shapes["long"].decoder.yarn == YARN and shapes["warm"].decoder.yarn is None


def test_frozen_parts_pass_through_a_stage(walked) -> None:
    run, _, _ = walked
    before, after = (convert.read(run / name / "model") for name in ("join", "warm"))
    assert isinstance(before, Lapis) and isinstance(after, Lapis)
    assert all(
        one.equal(other) for one, other in zip(before.decoder.parameters(), after.decoder.parameters(), strict=True)
    )
    assert not before.vit.patch.weight.equal(after.vit.patch.weight)


def test_join_keeps_the_decoder(walked) -> None:
    run, _, _ = walked
    alone, whole = convert.read(run / "distil" / "model"), convert.read(run / "join" / "model")
    assert isinstance(alone, Decoder) and isinstance(whole, Lapis)
    assert all(one.equal(other) for one, other in zip(alone.parameters(), whole.decoder.parameters(), strict=True))


def test_heldout_by_set(walked) -> None:
    run, _, _ = walked
    assert done(run, "teacher")["heldout"].keys() == {"prose"}
    assert done(run, "warm")["heldout"].keys() == {"ground_seen"}
    assert done(run, "long")["heldout"].keys() == {"prose", "ground_seen"}
    assert all(value > 0 for value in done(run, "long")["heldout"].values())


def test_distillation_is_logged(walked) -> None:
    run, _, _ = walked
    lines = [json.loads(text) for text in (run / "distil" / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        assert line["loss"] == pytest.approx(0.5 * line["lm"] + 0.5 * line["distil"], rel=1e-4)


def test_a_stage_that_was_cut_before_its_end_is_finished(walked) -> None:
    run, recipe, _ = walked
    first = (run / "distil" / "model" / "model.safetensors").read_bytes()
    (run / "distil" / "done.json").unlink()
    stages.run_entry(ENTRIES[2], recipe, run, world.Seen())
    assert (run / "distil" / "model" / "model.safetensors").read_bytes() == first
    assert done(run, "distil")["steps"] == 3


def test_fresh_weights_follow_the_seed(walked, tmp_path: Path) -> None:
    run, recipe, _ = walked
    none = world.stage("none", shape="student", steps=0)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        stages.run_entry(replace(none, name=name), replace(recipe, seed=seed), run, world.Seen())
    a, b, c = (torch.cat([x.flatten() for x in convert.read(run / n / "model").parameters()]) for n in "abc")
    assert a.equal(b) and not a.equal(c)


def test_wrong_parents_are_told(walked) -> None:
    run, recipe, _ = walked
    cases = (
        (world.stage("x", "nowhere"), "nowhere"),
        (config.Join("x", "long"), "stages.x.parent: long has a ViT already"),
        (config.Prune("x", "long"), "stages.x.parent: long is a whole model"),
        (world.stage("x", "distil", trains=("vit",)), "stages.x.trains: vit"),
    )
    for entry, told in cases:
        with pytest.raises(InputError, match=told) as error:
            stages.run_entry(entry, recipe, run, world.Seen())
        assert "\n" not in str(error.value)
        assert not (run / "x" / "done.json").exists() and not (run / "x" / "model").exists()
