"""A run folder for benches of RL: a small model and questions."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.parts import checks
from lapis import config
from lapis.data import store
from lapis.data.tokenise import train_tokenizer
from lapis.export import hf
from lapis.model.decoder import Decoder
from lapis.recipes import pocket
from lapis.rl.fleet import stage as fleet_stage
from lapis.types import Sample, Silent, Text, Turn

SHAPE = config.Decoder(width=128, layers=4, heads=4, kv_heads=2, head_dim=32, mlp=256, vocab=300)
BUDGETS = (4, 8, 8, 16, 16, 32, 128, 224)
"""Tokens of thought that questions are asked with: most are short, some long."""


def questions(count: int, seed: int) -> list[Sample]:
    """With budgets of a long-tailed kind."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        one, other = draw.randrange(100), draw.randrange(100)
        turns = (Turn("user", (Text(f"{one}+{other}="),)), Turn("assistant", (Text(str(one + other)),)))
        meta = {"verifier": "number", "answer": str(one + other)}
        found.append(
            Sample(
                "math/arith", "en", "bench", "CC0-1.0", turns, think=True, budget=draw.choice(BUDGETS), meta=meta
            )  # fmt: skip
        )
    return found


def recipe() -> config.Recipe:
    """One whose decoder is SHAPE, on a CPU with one thread."""
    small = pocket.smoke()
    return replace(small, model=replace(small.model, decoder=SHAPE), dtype="fp32", threads=1, device="cpu")


def folder(at: Path, seed: int) -> None:
    """Data and a fresh decoder as the stage `sft`."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(["What is 12 + 34? 46."], SHAPE.vocab, at / "tokenizer", 4)
    store.write_samples(at / "data" / "fresh" / "questions.parquet", questions(400, seed))
    store.write_samples(at / "data" / "heldout" / "math.parquet", questions(8, seed + 1))
    hf.write(Decoder(SHAPE), tokenizer, at / "sft" / "model")


def timed(at: Path, stage: config.RL, recipe: config.Recipe) -> dict[str, float]:
    """Run a stage on Ray; samples a second over its steps, final reward, idle shares."""
    fleet_stage.run(stage, recipe, at, Silent(), checks.low_firsts)
    lines = metrics(at / stage.name)
    seconds = sum(line["seconds"] for line in lines)
    idle = json.loads((at / stage.name / "idle.json").read_text())
    return {
        "samples": sum(line["asked"] for line in lines) * stage.group / seconds,
        "reward": sum(line["correct"] for line in lines[-5:]) / len(lines[-5:]),
        "trainer idle": sum(idle["trainer"].values()),
        "weights": sum(line["weights_seconds"] for line in lines) / seconds,
        **{who: sum(shares.values()) for who, shares in idle.items() if who.startswith("engine")},
    }


def metrics(at: Path) -> list[dict[str, Any]]:
    """A stage's lines."""
    return [json.loads(line) for line in (at / "metrics.jsonl").read_text().splitlines()]


def named(stage: config.RL, way: str, **fields: Any) -> config.RL:
    """The stage with its processes so, under a name of its own."""
    return replace(stage, name=f"{way}-{stage.name}", fleet=replace(stage.fleet, **fields))
