"""A run folder for benches of RL: a small model, questions, and a check that a fresh model can learn to pass."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lapis import config
from lapis.data import store
from lapis.data.tokenise import train_tokenizer
from lapis.export import hf
from lapis.model.decoder import Decoder
from lapis.recipes import pocket
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl.rewards.book import Book, Item
from lapis.types import Sample, Text, Turn, Verdict

SHAPE = config.Decoder(width=128, layers=4, heads=4, kv_heads=2, head_dim=32, mlp=256, vocab=300)
MIDDLE = 130
"""An id."""
BUDGETS = (4, 8, 8, 16, 16, 32, 128, 224)
"""Tokens of thought that questions are asked with: most are short, some long."""


def low_first(items: Sequence[Item]) -> list[Verdict]:
    """Right is an answer whose first own token has a small id: about half of a fresh model's, and quickly learned."""
    return [Verdict(float(_first(item) < MIDDLE), "") for item in items]


def _first(item: Item) -> int:
    """The first token that the model chose itself."""
    answer = item.answer
    own = (token for token, forced in zip(answer.token_ids, answer.forced, strict=True) if not forced)
    return next(own, SHAPE.vocab)


def low_firsts() -> Book:
    """It as the questions' reward; a fresh model writes any bytes."""
    return Book({"number": low_first}, unfit=lambda item: "")


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


class Silent:
    """Progress that nobody watches."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Nothing."""


def timed(at: Path, stage: config.RL, recipe: config.Recipe) -> dict[str, float]:
    """Run a stage on Ray; samples a second over its steps, final reward, idle shares."""
    fleet_stage.run(stage, recipe, at, Silent(), low_firsts)
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


def in_mode(stage: config.RL, mode: str, **fields: Any) -> config.RL:
    """The stage in a mode, under a name of its own."""
    return replace(stage, name=f"{mode}-{stage.name}", fleet=replace(stage.fleet, mode=mode, **fields))
