"""The share of right labels, by machine: each element is drawn again in another colour, which must change its own box
and nothing around it. 1,000 elements of every kit, device, theme and overlay.

The baseline judges what a tree of elements gives without a look at what can be seen: boxes that are covered, cut off or
hidden are among them.

python -m bench.screen_labels [count=N]     (1,000 elements)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench.parts.corpus import number
from bench.parts.line import say
from lapis.data.screens.browser import chromium, find_browser, installed_fonts
from lapis.data.screens.kits import kits, proof, shots
from lapis.data.screens.kits.tab import KitTab

ELEMENTS, EACH, SEED, GOAL = 1000, 40, 7, 0.99
"""Elements that are judged, the most of one screen, the seed of the pages, and the goal."""
NAIVE = 0.3
"""How many the baseline judges, as a share of those."""


def judged(chosen: Sequence[kits.Kit], count: int, seen_only: bool) -> list[proof.Verdict]:
    """Verdicts on `count` elements, one view a page."""
    fonts, verdicts = installed_fonts(), list[proof.Verdict]()
    series = shots.Series(SEED, "train", tuple(chosen), ("phone", "tablet", "desktop"))
    with chromium(find_browser()) as browser:
        tabs = {kit.name: KitTab(browser, kit) for kit in chosen}
        page = 0
        while len(verdicts) < count:
            plan = shots.planned(series, page, fonts)
            tab = tabs[plan.kit.name]
            tab.resize(plan.view)
            tab.show(plan.views[page % len(plan.views)])
            verdicts += proof.judged(tab, plan.view, min(EACH, count - len(verdicts)), seen_only)
            page += 1
    return verdicts


def main() -> None:
    found, notes = kits.gathered(())
    for note in notes:
        print(note)
    count = number(sys.argv, ELEMENTS, ELEMENTS)
    naive = proof.told(judged(found, max(1, round(NAIVE * count)), False))
    told = proof.told(judged(found, count, True))
    print(f"{told['right']} of {told['all']} right; without looking at what is seen {naive['right']} of {naive['all']}")
    for wrong in told["wrong"]:
        print(wrong)
    unit = "share of labels that are right by a second picture; the baseline labels what is not seen as well"
    say("screen_labels", told["right"] / told["all"], GOAL, unit, naive["right"] / naive["all"])


if __name__ == "__main__":
    main()
