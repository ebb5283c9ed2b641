"""Memory of the data engine from 200,000 to 2,000,000 documents: most of all its processes together, by size.

Ends with the peak of the largest over that of the smallest; flat is 1. Drawn in bench/results/corpus_memory.svg where
the largest has 2,000,000 documents, else in .cache/bench.

python -m bench.corpus_memory [--full] [count=N]     (20,000 to 100,000 documents without --full)
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.parts import corpus
from bench.parts.line import say
from bench.parts.peer import CACHE
from lapis import files

PLOT = Path(__file__).parent / "results" / "corpus_memory.svg"
LARGEST = 2_000_000
"""Documents from which a run is the one that is committed."""
STEPS = (1, 2, 5, 10)
"""Sizes, in the smallest one's documents."""


def draw(sizes: list[int], peaks: list[float]) -> str:
    """Peaks over sizes as SVG."""
    wide, high, top = 560, 280, max(peaks) * 1.2
    places = [(60 + 470 * size / sizes[-1], 240 - 200 * peak / top) for size, peak in zip(sizes, peaks, strict=True)]
    line = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
    marks = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4"/><text x="{x:.0f}" y="{y - 10:.0f}">{peak:.0f} MB</text>'
        f'<text x="{x:.0f}" y="260">{size:,}</text>'
        for (x, y), size, peak in zip(places, sizes, peaks, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12" '
        f'text-anchor="middle"><polyline points="{line}" fill="none" stroke="black"/>{marks}'
        f'<line x1="40" y1="240" x2="550" y2="240" stroke="gray"/><text x="300" y="276">documents</text></svg>\n'
    )


def main() -> None:
    least = corpus.number(sys.argv, 20_000, 200_000)
    sizes = [least * step for step in (STEPS if "--full" in sys.argv else STEPS[:3])]
    peaks = []
    for size in sizes:
        source = corpus.planted(CACHE / "corpus" / f"web-{size}.jsonl", size)
        run = corpus.ours(source, ["data.workers=2"], name="memory")
        print(corpus.told("lapis", size, run), flush=True)
        peaks.append(run.peak)
    plot = PLOT if sizes[-1] >= LARGEST else CACHE / PLOT.name
    files.write(plot, draw(sizes, peaks))
    print(f"drawn in {plot}")
    # A value over its goal is good on the page of results, so it is told how much of flatness is kept.
    say("corpus_memory", peaks[0] / peaks[-1], 0.8, f"of flat memory kept from {sizes[0]:,} to {sizes[-1]:,}", 1.0)


if __name__ == "__main__":
    main()
