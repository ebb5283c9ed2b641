"""Stages, samples and answers that the tests of this folder are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lapis import config
from lapis.rl.fleet.messages import Answer
from lapis.rl_fleet import Fleet
from lapis.types import Completion, Sample, Text, Turn

STAGE = config.RL("rl", "sft", {"math": 1.0}, steps=4, prompts=2, group=2, max_tokens=8, row_tokens=128, refill=1)


def stage(mode: str = "async", staleness: int = 1, carry: int = 1, **fields: Any) -> config.RL:
    return replace(STAGE, fleet=Fleet(mode, staleness=staleness, carry=carry), **fields)  # type: ignore[arg-type]


def sample(number: int, kind: str = "math/arith") -> Sample:
    turns = (Turn("user", (Text(f"{number}+1"),)), Turn("assistant", (Text(str(number + 1)),)))
    return Sample(kind, "en", "test", "CC0-1.0", turns, meta={"verifier": "number", "answer": str(number + 1)})


def answer(place: int, member: int, tokens: int = 3, version: int = 0) -> Answer:
    ids = tuple(range(tokens))
    done = Completion("1", "", (1, 2), ids, (-0.25,) * tokens, (False,) * tokens, 0, "stop", True)
    return Answer((place, member), done, (version,) * tokens)
