"""How much of training's time the loader makes it wait for a slow store: shards asked for ahead, against on demand.

The store is a local folder whose every file takes LATENCY to arrive, however many are asked for at once; a step is
SECONDS of sleep. The first batch does not count, since nothing can hide it.

python -m bench.loader_stall [run=FOLDER]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem

from bench.parts import rows
from bench.parts.line import run_of, say
from lapis import config
from lapis.data.loader import Loader
from lapis.data.shards import write_index, write_shard
from lapis.data.tokenise import Example

LATENCY, SECONDS = 0.1, 0.2
STEPS, AHEAD = 40, 16
SHARDS, SAMPLES, TOKENS = 96, 16, 500
"""Of the shards made here: each step reads some that no step before it has read."""
PACK = config.Pack(row_tokens=512, rows=4, tiles=0)


class Slow(LocalFileSystem):
    """A store that answers late."""

    protocol = "slow"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(str(path).removeprefix("slow://"))

    def get_file(self, rpath: str, lpath: str, **named: Any) -> None:
        time.sleep(LATENCY)
        super().get_file(rpath, lpath, **named)


def make_shards(folder: Path) -> None:
    """Documents of random tokens."""
    rng = np.random.default_rng(0)
    trained = np.ones(TOKENS, dtype=bool)
    texts = [[rng.integers(0, 999, TOKENS).astype(np.int32) for _ in range(SAMPLES)] for _ in range(SHARDS)]
    made = [[Example("prose", True, ids, trained) for ids in shard] for shard in texts]
    write_index(folder, [write_shard(folder, f"{at:03d}", one) for at, one in enumerate(made)], "none")


def stall(url: str, mixture: dict[str, float], pack: config.Pack, tokens_per_tile: int, ahead: int) -> float:
    """Share of the time after the first batch that is spent waiting for the next one, with an empty cache."""
    with TemporaryDirectory() as folder:
        cache = config.Cache(folder, ahead=ahead)
        batches = Loader(url, mixture, pack, STEPS, 0, {}, tokens_per_tile, cache=cache).iterate()
        next(batches)
        began, waited = time.perf_counter(), 0.0
        for _ in range(STEPS - 1):
            time.sleep(SECONDS)
            asked = time.perf_counter()
            next(batches)
            waited += time.perf_counter() - asked
        share = waited / (time.perf_counter() - began)
        batches.close()
    return share


def main() -> None:
    fsspec.register_implementation("slow", Slow)
    run = run_of(sys.argv[1:])
    with TemporaryDirectory() as made:
        mixture, pack, tokens_per_tile, folder = {"prose": 1.0}, PACK, 1, Path(made)
        if run:
            mixed, model = rows.of_run(run)
            mixture, pack, tokens_per_tile = dict(mixed.mixture), mixed.pack, model.tokens_per_tile
            folder = rows.shards_of(run)
        else:
            make_shards(folder)
        url = f"slow://{folder.resolve()}"
        with_it, without = (stall(url, mixture, pack, tokens_per_tile, ahead) for ahead in (AHEAD, 0))
    print(f"waiting for batches: {with_it:.1%} of the time with {AHEAD} steps asked for ahead, {without:.1%} without")
    say("loader_stall", 1 - with_it, 0.95, "share of training's time that is not waiting for a batch", 1 - without)


if __name__ == "__main__":
    main()
