"""Documents a second and memory of the data engine, beside Polars with rensa doing the same to the same documents.

python -m bench.pipeline_vs_polars [--full] [count=N]     (200,000 documents; 2,000,000 with --full)
"""

from __future__ import annotations

import sys

from bench.parts import corpus
from bench.parts.line import say
from bench.parts.peer import CACHE, environment

PACKAGES = ("polars==2.1.0", "rensa==0.5.0", "numpy==2.4.6")
WORKERS = 2


def main() -> None:
    count = corpus.number(sys.argv, 200_000, 2_000_000)
    source = corpus.planted(CACHE / "corpus" / f"web-{count}.jsonl", count)
    ours = corpus.ours(source, [f"data.workers={WORKERS}"])
    theirs = corpus.peer(environment("polars", PACKAGES, alone=True), "with_polars", source, WORKERS)
    print(corpus.told("lapis", count, ours))
    print(corpus.told("Polars + rensa", count, theirs))
    corpus.agree("pipeline_vs_polars", ours, theirs)
    say("pipeline_vs_polars", theirs.seconds / ours.seconds, 1.0, "times as fast as Polars + rensa", 1.0)


if __name__ == "__main__":
    main()
