"""Rows of 32K tokens: they train, and over two processes that share the tokens they train alike."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from lapis import config
from lapis.data import shards
from lapis.data.tokenise import example, train_tokenizer
from lapis.recipes import desk, desk_32k
from lapis.train import stages
from lapis.types import Sample, Text, Turn
from tests.train import world

ROW = 32768
MODEL = replace(world.MODEL, decoder=replace(world.DECODER, heads=2, kv_heads=1, layers=1))
STAGE = config.Train(
    "long",
    None,
    {"prose": 1.0},
    3,
    config.Pack(row_tokens=ROW, rows=1, tiles=1),
    config.Optim(lr=1e-2, warmup=0.0, end=1.0),
    shape="student",
    yarn=config.Yarn(factor=64.0, original=512),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of nearly a row."""
    run, rng = tmp_path_factory.mktemp("data"), random.Random(0)
    tokenizer = train_tokenizer([world.SENTENCE] * 3, 400, run / "data" / "tokenizer", MODEL.tokens_per_tile)
    texts = [Text(" ".join(rng.choices(world.WORDS, k=14500))) for _ in range(3)]
    long = [Sample("prose", "en", "test", "CC0-1.0", (Turn("assistant", (text,)),), document=True) for text in texts]
    root = run / "data" / "shards"
    entry = shards.write_shard(root, "a", (example(sample, tokenizer, MODEL) for sample in long))
    shards.write_index(root, [entry], shards.fingerprint(run / "data" / "tokenizer"))
    (run / "data" / "heldout").mkdir()
    return run


def losses(data: Path, folder: Path, **shape: int) -> list[float]:
    folder.mkdir()
    (folder / "data").symlink_to(data / "data")
    recipe = replace(world.recipe(STAGE), model=MODEL, dist=config.Dist(**shape))
    stages.run_entry(STAGE, recipe, folder, world.Seen())
    lines = [json.loads(line) for line in (folder / "long" / "metrics.jsonl").read_text().splitlines()]
    assert all(0.9 * ROW < line["tokens"] <= ROW for line in lines)
    return [line["loss"] for line in lines]


def test_rows_of_32k_train_alone_and_over_two_processes(data: Path, tmp_path: Path) -> None:
    alone = losses(data, tmp_path / "alone")
    assert alone[-1] < alone[0] - 1
    assert losses(data, tmp_path / "two", nproc=2, cp=2) == pytest.approx(alone, rel=3e-5)


def test_desk_takes_a_further_step_to_32k() -> None:
    recipe = desk_32k.recipe()
    entries = {entry.name: entry for entry in recipe.stages}
    assert [one.name for one in recipe.stages if one.name != "long-32k"] == [one.name for one in desk.recipe().stages]
    assert entries["long-32k"].parent == "long" and entries["sft"].parent == "long-32k"
    longer = entries["long-32k"]
    assert longer.pack.row_tokens == ROW == longer.yarn.factor * longer.yarn.original
    assert longer.optim.start == entries["long"].optim.end == entries["sft"].optim.start
