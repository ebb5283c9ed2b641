"""Labelled phone screens a second: drawn by UI kits, labelled and encoded, with one process and with two.

Kits that npm has not fetched into the cache are fetched first; without them our plain one is drawn. Every page gives up
to four screens, of which no two show the same texts in the same places. `--full` draws five times as many.

python -m bench.screens_per_second [--full]
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from bench.parts.line import say
from lapis.data.screens.kits import kits, shots

PAGES, GOAL = 60, 10.0
"""Pages of a run, and what design asks for on two cores."""


def rate(series: shots.Series, pages: int, workers: int) -> float:
    """Screens a second, the browsers' start left out: the clock starts with the first page that arrives."""
    made = shots.shots(series, range(pages), workers)
    next(made)
    began, found = time.monotonic(), [shot for _, drawn in made for shot in drawn]
    seconds = time.monotonic() - began
    kinds = Counter(shot.meta["kit"] for shot in found)
    size = sum(len(shot.screen.image.data) for shot in found) / len(found) / 1024
    labels = sum(len(shot.screen.elements) for shot in found) / len(found)
    print(
        f"{workers} workers: {len(found)} screens of {pages - 1} pages in {seconds:.1f} s, {len(found) / seconds:.1f} "
        f"a second; {labels:.0f} elements and {size:.0f} KiB a screen; {dict(kinds)}"
    )
    return len(found) / seconds


def main() -> None:
    found, notes = kits.gathered(())
    for note in notes:
        print(note)
    at_home = tuple(kit for kit in found if "phone" in kit.devices)
    series = shots.Series(0, "train", at_home, ("phone",))
    pages = PAGES * (5 if "--full" in sys.argv else 1)
    one, two = (rate(series, pages, workers) for workers in (1, 2))
    say("screens_per_second", two, GOAL, "labelled phone screens a second, two processes; the baseline is one", one)


if __name__ == "__main__":
    main()
