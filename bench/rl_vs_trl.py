"""Samples a second of our RL against TRL's GRPOTrainer: same model, prompts, group size and most tokens of an answer.

TRL has two threads and an environment of its own; ours is one-step asynchronous, a trainer and an engine with a thread
each. The first step of both counts for nothing. Mean lengths stand beside, as both sample.

python -m bench.rl_vs_trl [--full] [steps=N]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.parts import checks, fleet, peer
from bench.parts.line import number_of, say
from lapis import chat, config
from lapis.data import store
from lapis.export import hf
from lapis.model import convert
from lapis.model.vlm import text_of
from lapis.rl.fleet import cluster
from lapis.rl_fleet import Fleet
from lapis.types import Sample

PACKAGES = (
    "trl==1.16.0", "accelerate==1.15.0", "datasets==5.2.0", "dill==0.4.1", "multiprocess==0.70.19", "pandas==3.1.1",
    "pytz==2026.6", "xxhash==4.1.0",
)  # fmt: skip
STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=4, prompts=8, group=8, max_tokens=128, row_tokens=256, refill=0, held_out=2,
    held_samples=2, checkpoint_every=100, fleet=Fleet("async", judges=0),
    optim=config.Optim(lr=1e-4, weight_decay=0.0, warmup=0.0, end=1.0),
)  # fmt: skip


def peers(at: Path, stage: config.RL, texts: list[str]) -> tuple[float, float]:
    """TRL's samples a second, and its mean length."""
    python = peer.environment("trl", PACKAGES)
    sizes = {name: getattr(stage, name) for name in ("prompts", "group", "max_tokens", "steps")}
    given = {**sizes, "lr": stage.optim.lr, "texts": texts, "middle": checks.MIDDLE}
    (at / "prompts.json").write_text(json.dumps(given), encoding="utf-8")
    script = Path(__file__).parent / "parts" / "trl_grpo.py"
    words = [str(python), str(script), str(decoder_of(at)), str(at / "prompts.json"), str(at / "trl")]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().splitlines()[-1]
    found = json.loads(said)
    return found["samples"] / found["seconds"], found["tokens"]


def decoder_of(at: Path) -> Path:
    """The decoder of the model that both begin with, as a language model of its own."""
    model = at / "sft" / "model"
    hf.write(text_of(convert.read(model)), chat.Tokenizer.load(model, 1), at / "decoder")
    return at / "decoder"


def prompts(at: Path, samples: Sequence[Sample]) -> list[str]:
    """What our engine reads of each, marks of turns included, as text that has the same ids."""
    tokenizer = chat.Tokenizer.load(at / "sft" / "model", 1)
    ids = (chat.encode_prompt(one.turns[:1], one.think, None, tokenizer, lambda _: 0).ids for one in samples)
    return [tokenizer.raw.decode(list(each), skip_special_tokens=False) for each in ids]


def ours(at: Path, stage: config.RL, recipe: config.Recipe) -> tuple[float, float]:
    """Samples a second, and the mean length."""
    with cluster.joined(recipe):
        fleet.timed(at, stage, recipe)
    lines = fleet.metrics(at / stage.name)[1:]
    seconds = sum(line["seconds"] for line in lines)
    tokens = sum(line["answer_tokens"] for line in lines) / len(lines)
    return sum(line["asked"] for line in lines) * stage.group / seconds, tokens


def main() -> None:
    stage = replace(STAGE, steps=number_of(sys.argv, "steps", 12 if "--full" in sys.argv else STAGE.steps))
    recipe = fleet.recipe()
    with TemporaryDirectory() as name:
        at = Path(name)
        fleet.folder(at, 0)
        path = at / "data" / "fresh" / "questions.parquet"
        plain = [replace(sample, think=False, budget=None) for sample in store.read_samples(path)]
        store.write_samples(path, plain)
        mine, length = ours(at, stage, recipe)
        theirs, other = peers(at, stage, prompts(at, plain))
    print(f"{mine:.2f} samples a second of {length:.0f} tokens, TRL {theirs:.2f} of {other:.0f}")
    say("rl_vs_trl", mine / theirs, 3.0, "samples a second over TRL's GRPOTrainer", 1.0)


if __name__ == "__main__":
    main()
