"""Whether labels are right, by machine: an element that is drawn again in another colour changes its own box alone.

Several elements that stand apart are recoloured in one further picture. An element's own colours are changed, of text
only the letters, of pictures all colours: so what changes is what the browser drew for that very node.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures

from lapis.data.screens.kits import labels
from lapis.data.screens.kits.kits import JS
from lapis.data.screens.kits.labels import Found
from lapis.data.screens.kits.tab import Tab, View
from lapis.data.screens.page import Box

MARGIN = 6.0
"""CSS pixels between elements that are recoloured together."""
ROUND = 1.0
"""Pixels by which a box may be off: edges of letters and rounded corners are drawn between pixels."""
LEAST = 4
"""Pixels that must change."""
CHANGE = 32
"""Steps of 255 by which a pixel must differ: corners and edges elsewhere may be blended anew by a step or two."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a second picture says of one element."""

    role: str
    name: str
    right: bool
    inside: int
    """Pixels of its box that changed."""
    outside: int
    """Pixels around it that changed and are no element's."""


def judged(tab: Tab, view: View, most: int, seen_only: bool = True) -> list[Verdict]:
    """Verdicts on up to `most` of the elements of what a tab shows, those that are no labels too where `seen_only` is
    off; it shows the same afterwards."""
    seen = tab.look()
    before = _pixels(tab.shoot())
    things = [one for one in labels.found(labels.Join(seen)) if one.whole or not seen_only][:most]
    recolour = (JS / "recolour.js").read_text(encoding="utf-8")
    made = []
    for group in apart(things):
        shown = [[seen.look["elements"][one.number][0], one.number, one.role] for one in group]
        tab.page.evaluate(recolour, shown)
        after = _pixels(tab.shoot())
        tab.page.evaluate("window.lapisRestore()")
        made += _verdicts(group, np.abs(before - after).max(axis=2) > CHANGE, view.scale)
    return made


def apart(things: Sequence[Found]) -> list[list[Found]]:
    """Elements in groups whose boxes stand apart, first come, first put."""
    groups: list[list[Found]] = []
    for thing in things:
        fitting = (group for group in groups if not any(_near(thing.box, other.box) for other in group))
        home = next(fitting, None)
        if home is None:
            groups.append([thing])
        else:
            home.append(thing)
    return groups


def _near(one: Box, other: Box) -> bool:
    across = one[0] < other[0] + other[2] + MARGIN and other[0] < one[0] + one[2] + MARGIN
    return across and one[1] < other[1] + other[3] + MARGIN and other[1] < one[1] + one[3] + MARGIN


def _verdicts(group: Sequence[Found], changed: npt.NDArray[np.bool_], scale: float) -> list[Verdict]:
    """A pixel that changed outside all boxes of the group counts against the element nearest to it."""
    stray, inside = changed.copy(), []
    for thing in group:
        left, top, right, bottom = _ends(thing.box, scale)
        inside.append(int(changed[top:bottom, left:right].sum()))
        stray[top:bottom, left:right] = False
    outside = [0] * len(group)
    for y, x in zip(*np.nonzero(stray), strict=True):
        outside[min(range(len(group)), key=lambda at: _distance(group[at].box, x / scale, y / scale))] += 1
    return [
        Verdict(thing.role, thing.name, most >= LEAST and not away, most, away)
        for thing, most, away in zip(group, inside, outside, strict=True)
    ]


def _ends(box: Box, scale: float) -> tuple[int, int, int, int]:
    """Pixels of a box, with the rounding."""
    x, y, w, h = (end * scale for end in box)
    low, high = (x - ROUND, y - ROUND), (x + w + ROUND, y + h + ROUND)
    return max(0, int(low[0])), max(0, int(low[1])), int(np.ceil(high[0])), int(np.ceil(high[1]))


def _distance(box: Box, x: float, y: float) -> float:
    across = max(box[0] - x, x - box[0] - box[2], 0.0)
    return float(across + max(box[1] - y, y - box[1] - box[3], 0.0))


def _pixels(png: bytes) -> npt.NDArray[np.int16]:
    return np.asarray(Pictures.open(io.BytesIO(png)).convert("RGB"), dtype=np.int16)


def told(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """How many were right, and each that was not."""
    wrong = [
        f"{one.role} {one.name!r}: {one.inside} inside, {one.outside} outside" for one in verdicts if not one.right
    ]
    return {"right": sum(one.right for one in verdicts), "all": len(verdicts), "wrong": wrong}
