"""Documents a second and memory of the data engine, beside datatrove and, with --full, data-juicer on the same job.

python -m bench.pipeline_vs_datatrove [--full] [count=N]     (20,000 documents; 200,000 with --full)
"""

from __future__ import annotations

import sys

from bench.parts import corpus
from bench.parts.line import say
from bench.parts.peer import CACHE, environment

PACKAGES = (
    *("datatrove==0.10.1", "spacy==3.8.18", "orjson", "pyarrow", "fasteners", "xxhash<4", "regex", "tldextract"),
    "tokenizers",
)
JUICER = ("py-data-juicer==1.6.1", "aiohttp", "ray==2.60.0")
WORKERS = 2


def main() -> None:
    count = corpus.number(sys.argv, 20_000, 200_000)
    source = corpus.planted(CACHE / "corpus" / f"web-{count}.jsonl", count)
    ours = corpus.ours(source, [f"data.workers={WORKERS}"])
    theirs = corpus.peer(environment("datatrove", PACKAGES, alone=True), "with_datatrove", source, WORKERS)
    print(corpus.told("lapis", count, ours))
    print(corpus.told("datatrove", count, theirs))
    corpus.agree("pipeline_vs_datatrove", ours, theirs)
    if "--full" in sys.argv:
        third = corpus.peer(environment("juicer", JUICER, alone=True, torch=True), "with_juicer", source, WORKERS)
        print(corpus.told("data-juicer", count, third))
        corpus.agree("pipeline_vs_datatrove", ours, third)
    say("pipeline_vs_datatrove", theirs.seconds / ours.seconds, 3.0, "times as fast as datatrove", 1.0)


if __name__ == "__main__":
    main()
