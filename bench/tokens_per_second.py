"""Tokens a second that a run's samples become shards, and that shards are packed into rows, by one and two workers.

Samples with pictures also have their tiles cut, labelled and encoded in that time, so text is measured by itself too.
Packing plans three passes over all samples, as a stage does before its first step.

python -m bench.tokens_per_second [run=FOLDER]
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.parts import rows, small
from bench.parts.line import run_of, say
from lapis import config
from lapis.data import pipeline
from lapis.types import Silent

AFTER = ("shards", "counts")
"""Steps that are done anew."""
PASSES = 3


def shards(made: config.Recipe, data: Path, workers: int, take: Callable[[str], bool]) -> tuple[float, float]:
    """Tokens and tiles a second of the shards step, over the files of samples whose name is taken."""
    with tempfile.TemporaryDirectory(dir=data.parent) as folder:
        out = Path(folder) / "data"
        shutil.copytree(data, out, ignore=shutil.ignore_patterns("shards"), copy_function=os.link)
        for name in AFTER:
            (out / "steps" / f"{name}.json").unlink()
        (out / "done.json").unlink()
        for path in (out / "samples").glob("*.parquet"):
            if not take(path.stem):
                path.unlink()
        began = time.perf_counter()
        pipeline.build(replace(made, data=replace(made.data, workers=workers)), out, Silent())
        seconds = time.perf_counter() - began
        kinds = json.loads((out / "counts.json").read_text(encoding="utf-8"))["kinds"].values()
    return sum(kind["tokens"] for kind in kinds) / seconds, sum(kind["tiles"] for kind in kinds) / seconds


def packed(run: Path) -> tuple[float, int]:
    """Tokens a second of a plan of rows, and how many tokens it has."""
    mixed, _ = rows.of_run(run)
    tokens = PASSES * int(mixed.pieces.length.sum())
    steps = tokens // (mixed.pack.rows * mixed.pack.row_tokens)
    began = time.perf_counter()
    plan = mixed.plan(steps, 0)
    seconds = time.perf_counter() - began
    placed = int(mixed.pieces.length[plan.pieces].sum())
    return placed / seconds, placed


def main() -> None:
    run = run_of(sys.argv[1:])
    made, data = small.data_of(run)
    found: dict[tuple[str, int], float] = {}
    for name, take in (("text", lambda stem: stem in ("prose", "questions")), ("all", lambda stem: True)):
        for workers in (1, 2):
            tokens, tiles = shards(made, data, workers, take)
            found[name, workers] = tokens
            print(f"{name}, {workers} workers: {tokens:,.0f} tokens and {tiles:,.0f} tiles a second into shards")
    speed, placed = packed(run or small.HOME)
    print(f"packing: {placed:,} tokens at {speed:,.0f} a second, one process")
    both = {workers: 1 / (1 / found["text", workers] + 1 / speed) for workers in (1, 2)}
    unit = "tokens of text a second, tokenised by two processes and packed; the baseline is one"
    say("tokens_per_second", both[2], None, unit, both[1])


if __name__ == "__main__":
    main()
