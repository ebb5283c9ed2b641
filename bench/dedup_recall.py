"""Share of the pairs at least 0.8 alike, by brute force, of which the engine does not keep both.

python -m bench.dedup_recall [count=N]     (20,000 documents)
"""

from __future__ import annotations

import sys

from bench.parts import brute, corpus
from bench.parts.line import say


def main() -> None:
    texts = brute.planted(corpus.number(sys.argv, 20_000, 20_000))
    kept = brute.engine(texts)
    pairs = brute.pairs(texts, 0.5)
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        some = [pair for pair, alike in pairs.items() if low <= alike < low + 0.1 or (low == 0.9 and alike == 1.0)]
        parted = sum(not (first in kept and later in kept) for first, later in some)
        print(f"similarity {low:.1f} to {low + 0.1:.1f}: {parted} of {len(some)} pairs parted")
    alike = [pair for pair, similarity in pairs.items() if similarity >= brute.SIMILAR]
    missed = sum(first in kept and later in kept for first, later in alike)
    say("dedup_recall", 1 - missed / len(alike), 0.95, "of pairs at least 0.8 alike parted", 1.0)


if __name__ == "__main__":
    main()
