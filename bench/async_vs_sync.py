"""One-step asynchronous RL against synchronous RL with the same processes: samples a second at equal final reward.

Two processes, a trainer and an engine, one thread each; answers are long-tailed (4 to 224 tokens of thought).
Beside it: the loop in one process with two threads, where trainer and engine have both cores in turn.

python -m bench.async_vs_sync [--full]     # one seed of a few steps; --full: three seeds
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from bench.parts import fleet
from bench.parts.line import say
from lapis import config
from lapis.rl import loop
from lapis.rl.fleet import cluster
from lapis.rl_fleet import Fleet

OPTIM = config.Optim(lr=1e-3, weight_decay=0.0, warmup=0.0, end=1.0)
STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=12, prompts=8, group=8, max_tokens=256, row_tokens=512, refill=1, optim=OPTIM,
    held_out=2, held_samples=2, checkpoint_every=100, fleet=Fleet(slots=32, judges=0),
)  # fmt: skip


def inline(at: Path, stage: config.RL, recipe: config.Recipe) -> float:
    """Samples a second of the loop in one process with two threads; its first and last measurements count for none."""
    measured = {"correct": 0.0, "thought_tokens": 0.0, "reward": 0.0}
    with patch.object(loop, "measure", lambda *_: measured):
        begin = time.perf_counter()
        loop.run(stage, replace(recipe, threads=2), at, fleet.Silent(), fleet.low_firsts)
        seconds = time.perf_counter() - begin
    return sum(line["asked"] for line in fleet.metrics(at / stage.name)) * stage.group / seconds


def main() -> None:
    full = "--full" in sys.argv
    stage = replace(STAGE, steps=60) if full else STAGE
    recipe = fleet.recipe()
    found: dict[str, list[dict[str, float]]] = {"sync": [], "async": []}
    turns = []
    with tempfile.TemporaryDirectory() as name, cluster.joined(recipe):
        for seed in range(3 if full else 1):
            at, seeded = Path(name) / str(seed), replace(recipe, seed=seed)
            fleet.folder(at, seed)
            for mode, figures in found.items():
                figures.append(fleet.timed(at, fleet.in_mode(stage, mode), seeded))
                print(f"seed {seed}, {mode}: {', '.join(f'{key} {value:.3f}' for key, value in figures[-1].items())}")
            turns.append(inline(at, replace(stage, name="inline"), seeded))
            print(f"seed {seed}, in turns over two cores: samples {turns[-1]:.3f}", flush=True)
    sync, ahead = (statistics.mean(one["samples"] for one in found[mode]) for mode in ("sync", "async"))
    rewards = [statistics.mean(one["reward"] for one in found[mode]) for mode in ("sync", "async")]
    faster = max(sync, statistics.mean(turns))
    print(f"right at the end: {rewards[0]:.3f} sync, {rewards[1]:.3f} async; {ahead / faster:.2f}x the faster baseline")
    say("async_vs_sync", ahead / sync, 1.6, "samples a second, one-step asynchronous over synchronous", 1.0)


if __name__ == "__main__":
    main()
