"""Proxies learn what they are given most of, never read what is withheld, and end like any stage of the trainer."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lapis import cli, config
from lapis.data import store
from lapis.data.mixing.search import Try
from lapis.data.shards import fingerprint, write_index, write_shard
from lapis.data.tokenise import example, train_tokenizer
from lapis.data_config.mixing import Mixing
from lapis.data_verbs.mixture import few, pasted, plan_of, stage_of
from lapis.proxies import Trained, smaller
from lapis.proxy_pool import Several
from lapis.recipes import pocket
from lapis.types import InputError, Sample, Silent, Text, Turn
from tests.data import world

PLAN = Mixing(runs=8, steps=12, rows=2, row_tokens=64, width=16, layers=1, samples=8, check_steps=12, seeds=1)
STAGE = config.Train("text", None, {"prose": 0.5, "math": 0.5, "screen": 0.2}, 2, config.Pack(64, 2, 0))


def sums(rng: random.Random) -> Sample:
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    turns = (Turn("user", (Text(f"{a} + {b}?"),)), Turn("assistant", (Text(str(a + b)),)))
    return Sample("math/arith", "en", "test", "CC0-1.0", turns)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(0)
    taught = [*(world.prose(rng, 30) for _ in range(60)), *(sums(rng) for _ in range(90))]
    taught += [world.screen_sample(rng) for _ in range(3)]
    tokenizer = train_tokenizer((one.turns[0].text for one in taught), 400, folder / "tokenizer", 4)
    entry = write_shard(folder / "shards", "a", (example(one, tokenizer, world.MODEL) for one in taught))
    write_index(folder / "shards", [entry], fingerprint(folder / "tokenizer"))
    held = [*(world.prose(rng, 30) for _ in range(12)), world.screen_sample(rng)]
    store.write_samples(folder / "heldout" / "prose.parquet", held)
    return folder


@pytest.fixture()
def trained(data: Path, tmp_path: Path) -> Trained:
    recipe = config.Recipe(
        "t", world.MODEL, world.DECODER, config.Data(vocab=400), (STAGE,), config.Eval(), config.Export()
    )
    return Trained(replace(recipe, dtype="fp32", threads=1), data, tmp_path, STAGE, PLAN)


def test_what_is_held_out_comes_from_files_or_is_withheld(trained: Trained) -> None:
    assert trained.free.kinds == ("math/arith", "prose") and trained.free.kept == {"screen": 0.2}
    assert {*trained.judge.sets} == {f"{half}/{kind}" for half in ("fit", "check") for kind in trained.free.kinds}
    assert len(trained.withheld) == 8 and not np.isin(trained.pieces.sample, trained.withheld).any()
    kinds = trained.shards.kinds
    assert {kinds[kind] for kind in trained.shards.kind[trained.withheld]} == {"math/arith"}
    assert {kinds[kind] for kind in trained.pieces.kind} == {"math/arith", "prose"}


def tries(trained: Trained) -> list[Try]:
    """Much of one kind, much of the other, the first once more, and with another seed."""
    shares = (("a", (0.95, 0.05), 0), ("b", (0.05, 0.95), 0), ("c", (0.95, 0.05), 0), ("d", (0.95, 0.05), 1))
    return [Try(name, trained.free.weights(each), seed, False, PLAN.steps) for name, each, seed in shares]


def test_more_of_a_kind_lowers_its_loss_and_equal_runs_are_equal(trained: Trained, tmp_path: Path) -> None:
    progress = world.Seen()
    runs = [*trained.train(tries(trained), progress)]
    assert progress.steps == 4 * PLAN.steps and not [*tmp_path.glob("work/*")]
    for half in ("fit", "check"):
        assert runs[0][half]["math/arith"] < runs[1][half]["math/arith"]
        assert runs[1][half]["prose"] < runs[0][half]["prose"]
    assert runs[0] == runs[2] != runs[3]


def test_runs_side_by_side_are_those_of_one_process(trained: Trained, data: Path, tmp_path: Path) -> None:
    alone, progress = [*trained.train(tries(trained), Silent())], world.Seen()
    several = Several(2, trained.recipe, data, tmp_path / "side", STAGE, PLAN)
    assert [*several.train(tries(trained), progress)] == alone and progress.steps == 4 * PLAN.steps
    wrong = replace(tries(trained)[0], weights={"nothing": 1.0})
    with pytest.raises(InputError, match="nothing"):
        [*several.train([wrong], Silent())]


def test_the_check_takes_the_recipes_own_decoder(trained: Trained) -> None:
    assert trained._fresh(True, 1).config == world.DECODER
    assert trained._fresh(False, 1).config == smaller(world.DECODER, PLAN)
    made = smaller(pocket.model().decoder, Mixing())
    assert (made.width, made.layers, made.heads, made.kv_heads, made.mlp) == (128, 2, 2, 1, 384)


def test_too_few_samples_to_withhold_are_told(data: Path, tmp_path: Path) -> None:
    recipe = config.Recipe(
        "t", world.MODEL, world.DECODER, config.Data(vocab=400), (STAGE,), config.Eval(), config.Export()
    )
    with pytest.raises(InputError, match="stages.text.mixture: expected two kinds"):
        Trained(recipe, data, tmp_path, replace(STAGE, mixture={"prose": 1.0}), PLAN)


def test_words_of_the_verb() -> None:
    assert plan_of(["mixing.runs=9", "mixing.lr=0.01"]) == Mixing(runs=9, lr=0.01)
    assert plan_of(["mixing.steps=4"], few()) == replace(few(), steps=4)
    for words, why in (
        ("mixing.runs=2", "mixing.runs: .*8"),
        ("mixing.no=1", "mixing.no: no such key"),
        ("mixing.", "key=value"),
    ):
        with pytest.raises(InputError, match=why):
            plan_of([words])
    assert stage_of(pocket.recipe(), None).name == "teacher"
    with pytest.raises(InputError, match="prune: no training stage of pocket"):
        stage_of(pocket.recipe(), "prune")


def test_the_verb_writes_weights_and_goes_on(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a run whose data stage is done, with the smoke run's sizes."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "data").symlink_to(data)
    if not (data / "done.json").is_file():
        (data / "done.json").write_text("{}")
    words = ["data", "mixture", "pocket", "--smoke", f"out={run}", 'stages.teacher.mixture={"prose":1,"math":1}']
    words += ["model.vit.tile=56", "data.vocab=400", "mixing.row_tokens=64"]
    for _ in range(2):
        assert cli.main(words) == 0
        said = capsys.readouterr()
        assert said.out.startswith(f"{run / 'mixture/teacher/weights.json'}: math/arith ")
        assert said.out.splitlines()[1] == f"for a recipe: {pasted(run / 'mixture/teacher/weights.json')}"
    found = json.loads((run / "mixture/teacher/weights.json").read_text(encoding="utf-8"))
    assert json.loads(pasted(run / "mixture/teacher/weights.json")) == pytest.approx(found, rel=0.01)
    assert (run / "mixture" / "teacher" / "weights.json").is_file()
