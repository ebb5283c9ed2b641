"""A stage that a tiny model runs in seconds, and its folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lapis import config
from lapis.export import hf
from lapis.model import convert, init
from lapis.rl_fleet import Fleet
from tests.rl.test_loop import write_data
from tests.serve.small import spread
from tests.tiny import tiny_recipe, tiny_tokenizer

RECIPE = replace(tiny_recipe(), dtype="fp32", threads=1, device="cpu")
OPTIM = config.Optim(lr=5e-3, weight_decay=0.0, warmup=0.0, end=1.0)
STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=4, prompts=3, group=4, max_tokens=6, row_tokens=256, optim=OPTIM, held_out=4
)
LONG = replace(STAGE, steps=6, checkpoint_every=2, fleet=Fleet("async", slots=8, carry=2))
"""One in which much may happen."""


def folder(at: Path) -> Path:
    """Data, and a model to begin with."""
    write_data(at / "data")
    torch.manual_seed(0)
    hf.write(spread(init.fresh(RECIPE.model, 0)), tiny_tokenizer(), at / "sft" / "model")
    return at


def lines(run: Path, name: str = "rl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / name / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path, name: str = "rl") -> list[torch.Tensor]:
    return [parameter.detach() for parameter in convert.read(run / name / "model").parameters()]
