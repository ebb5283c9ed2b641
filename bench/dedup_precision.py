"""Share of the documents that the engine drops to which, by brute force, an earlier one that it keeps is 0.8 alike.

python -m bench.dedup_precision [count=N]     (20,000 documents)
"""

from __future__ import annotations

import sys

from bench.parts import brute, corpus
from bench.parts.line import say


def main() -> None:
    texts = brute.planted(corpus.number(sys.argv, 20_000, 20_000))
    kept = brute.engine(texts)
    right = {later for first, later in brute.pairs(texts, brute.SIMILAR) if first in kept}
    gone = set(range(len(texts))) - kept
    print(f"{len(gone)} of {len(texts)} documents dropped, {len(gone & right)} of them rightly")
    say("dedup_precision", len(gone & right) / max(len(gone), 1), 0.99, "of dropped documents have a kept twin", 1.0)


if __name__ == "__main__":
    main()
