"""A run folder for benches of RL: a small model and questions."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.parts import checks
from lapis import config
from lapis.data import shards, store
from lapis.data.tokenise import example, train_tokenizer
from lapis.recipes import pocket
from lapis.rl.fleet import stage as fleet_stage
from lapis.train import stages
from lapis.types import Sample, Silent, Text, Turn

SHAPE = config.Decoder(width=128, layers=4, heads=4, kv_heads=2, head_dim=32, mlp=256, vocab=300)
TAIL = (("s", ".", 12), ("s", ".", 12), ("s", ".", 12), ("s", ".", 12), ("l", "-", 110))
"""What an answer or a thought says after its first letter: its class, a filler, and how often on average."""
LONGEST = 200
LEARN = config.Train(
    "sft", None, {"math": 1.0}, 120, config.Pack(512, 4, 0), config.Optim(lr=3e-3, end=0.1), trains=("decoder",)
)  # fmt: skip


def written(draw: random.Random) -> str:
    """A letter, and a class of lengths: what is long is long in no question's name, as with real models."""
    kind, filler, mean = draw.choice(TAIL)
    many = min(LONGEST, int(draw.expovariate(1 / mean)))
    return draw.choice(string.ascii_letters) + kind + many * filler


def questions(count: int, seed: int) -> list[Sample]:
    """Half of them with thoughts; answers and thoughts have lengths with a long tail."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        one, other = draw.randrange(100), draw.randrange(100)
        think, text = number % 2 == 0, written(draw)
        answer = Turn("assistant", (Text("x"),), text) if think else Turn("assistant", (Text(text),))
        turns = (Turn("user", (Text(f"{one}+{other}="),)), answer)
        meta = {"verifier": "number", "answer": str(one + other)}
        found.append(Sample("math/arith", "en", "bench", "CC0-1.0", turns, think=think, meta=meta))
    return found


def recipe() -> config.Recipe:
    """One whose decoder is SHAPE, on a CPU with one thread."""
    small = pocket.smoke()
    return replace(small, model=replace(small.model, decoder=SHAPE), dtype="fp32", threads=1, device="cpu")


def folder(at: Path, seed: int) -> None:
    """Data, and as the stage `sft` a decoder that has learned how such answers look."""
    made = replace(recipe(), seed=seed)
    place = at / "data" / "tokenizer"
    tokenizer = train_tokenizer(["What is 12 + 34? 46."], SHAPE.vocab, place, made.model.tokens_per_tile)
    store.write_samples(at / "data" / "fresh" / "questions.parquet", questions(400, seed))
    store.write_samples(at / "data" / "heldout" / "math.parquet", questions(8, seed + 1))
    shown = (example(one, tokenizer, made.model) for one in questions(3000, seed + 2))
    entry = shards.write_shard(at / "data" / "shards", "a", shown)
    shards.write_index(at / "data" / "shards", [entry], shards.fingerprint(place))
    stages.run_entry(LEARN, replace(made, threads=0), at, Silent())


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
