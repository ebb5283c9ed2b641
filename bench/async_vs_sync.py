"""One-step asynchronous RL against synchronous RL with the same processes: samples a second at equal final reward.

Two processes, a trainer and an engine, one thread each; lengths of answers have a long tail (parts/fleet.py).
Beside it: asynchronous without carrying long answers on, and the loop in one process with two threads, where trainer
and engine have both cores in turn.

python -m bench.async_vs_sync [--full] [steps=N] [seeds=N]     # one seed of a few steps; --full: three seeds
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.parts import checks, fleet
from bench.parts.line import number_of, say
from lapis import config
from lapis.rl import loop
from lapis.rl.fleet import cluster
from lapis.rl_fleet import Fleet
from lapis.types import Silent

OPTIM = config.Optim(lr=1e-4, weight_decay=0.0, warmup=0.0, end=1.0)
STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=12, prompts=8, group=8, max_tokens=256, row_tokens=512, refill=1, optim=OPTIM,
    held_out=2, held_samples=2, checkpoint_every=100, fleet=Fleet(slots=32, judges=0),
)  # fmt: skip


MODES: dict[str, dict[str, Any]] = {
    "sync": {"mode": "sync"},
    "overlap": {"mode": "async", "carry": 0},
    "async": {"mode": "async"},
}
"""In `overlap` a step waits for the long answers of the one before: what is left of the gain is dispatch's."""


class Clock(Silent):
    """Progress that notes the times of all steps."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def advance(self, steps: int = 1, note: str = "") -> None:
        """A step is over; the first call comes before the first step."""
        self.times.append(time.perf_counter())


def inline(at: Path, stage: config.RL, recipe: config.Recipe) -> float:
    """Samples a second of the loop in one process with two threads, over its steps."""
    measured, clock = {"correct": 0.0, "thought_tokens": 0.0, "reward": 0.0}, Clock()
    with patch.object(loop, "measure", lambda *_: measured):
        loop.run(stage, replace(recipe, threads=2), at, clock, checks.low_firsts)
    asked = sum(line["asked"] for line in fleet.metrics(at / stage.name))
    return asked * stage.group / (clock.times[-1] - clock.times[0])


def main() -> None:
    full = "--full" in sys.argv
    seeds = number_of(sys.argv, "seeds", 3 if full else 1)
    stage = replace(STAGE, steps=number_of(sys.argv, "steps", 60 if full else 12))
    recipe = fleet.recipe()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in MODES}
    turns = []
    with tempfile.TemporaryDirectory() as name, cluster.joined(recipe):
        for seed in range(seeds):
            at, seeded = Path(name) / str(seed), replace(recipe, seed=seed)
            fleet.folder(at, seed)
            for way, figures in found.items():
                figures.append(fleet.timed(at, fleet.named(stage, way, **MODES[way]), seeded))
                print(f"seed {seed}, {way}: {', '.join(f'{key} {value:.3f}' for key, value in figures[-1].items())}")
            turns.append(inline(at, replace(stage, name="inline"), seeded))
            print(f"seed {seed}, in turns over two cores: samples {turns[-1]:.3f}", flush=True)
    said(found, turns)


def said(found: dict[str, list[dict[str, float]]], turns: list[float]) -> None:
    """The gain, what it is made of, and the line."""
    samples, rewards = (
        {way: statistics.mean(one[key] for one in found[way]) for way in found} for key in ("samples", "reward")
    )
    sync, faster = samples["sync"], max(samples["sync"], statistics.mean(turns))
    sent = statistics.mean(one["weights"] for one in found["sync"])
    print(f"right at the end: {rewards['sync']:.3f} sync, {rewards['async']:.3f} async")
    print(f"gain by overlap {samples['overlap'] / sync:.2f}x, by carrying long answers on ", end="")
    print(f"{samples['async'] / samples['overlap']:.2f}x; weights take {sent:.1%} of a synchronous step")
    print(f"{samples['async'] / faster:.2f}x the faster baseline")
    unit = "samples a second, one-step asynchronous over synchronous"
    say("async_vs_sync", samples["async"] / sync, 1.6, unit, 1.0)


if __name__ == "__main__":
    main()
