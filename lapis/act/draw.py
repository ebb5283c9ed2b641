"""An action drawn on the screenshot that it was chosen for, with a line of words below, and steps side by side.

Rings stand around what is tapped (two for a double tap, a filled one for a long press), arrows show swipes and drags.
All widths follow the picture's size, and each stroke has a light edge, so that it can be seen on any ground.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from lapis import actions, files
from lapis.actions import Action
from lapis.model import anyres
from lapis.types import Image

INK, EDGE = (222, 30, 60), (255, 255, 255)
PAPER, WORDS = (24, 24, 28), (240, 240, 240)
LONGEST = 60
"""Characters of the words below a picture."""
Place = tuple[float, float]
"""Pixels from the top left corner."""


def picture(image: Image, action: Action | None, note: str = "") -> Picture.Image:
    """The screenshot with the action on it, and a strip below that says the action, or `note` where there is none.

    The strip adds height: what lies above it keeps its place. Raises InputError for a broken picture.
    """
    shown = anyres.decode(image).convert("RGB")
    if action is not None:
        mark(shown, action)
    return _captioned(shown, note or (words(action) if action else ""))


def save(shown: Picture.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    with files.beside(path) as part:
        shown.save(part, "PNG")


def words(action: Action) -> str:
    """An action in one short line."""
    said = " ".join(str(value) for name, value in actions.arguments(action).items() if name != "target")
    target = getattr(action, "target", "")
    line = " ".join(part for part in (action.name, f"“{target}”" if target else "", said) if part)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def pixel(point: actions.Point, width: float, height: float) -> Place:
    """A point in thousandths as a place on a picture, or page, of this size: its edges are within."""
    across, down = point[0] * width / actions.SCALE, point[1] * height / actions.SCALE
    return min(across, width - 1), min(down, height - 1)


def mark(shown: Picture.Image, action: Action) -> None:
    """Draw an action that points onto a picture; others leave no mark."""
    start = getattr(action, "coordinate", None)
    end = getattr(action, "coordinate2", None)
    if start is None:
        return
    pen, unit = ImageDraw.Draw(shown), max(1.5, min(shown.size) / 160)
    at = pixel(start, *shown.size)
    if end is not None:
        _arrow(pen, at, pixel(end, *shown.size), unit)
        return
    radii = (5.0, 8.5) if isinstance(action, actions.DoubleClick) else (6.0,)
    for radius in radii:
        _ring(pen, at, radius * unit, unit)
    _disc(pen, at, (3.5 if isinstance(action, actions.LongPress) else 1.2) * unit)


def _ring(pen: ImageDraw.ImageDraw, at: Place, radius: float, unit: float) -> None:
    pen.ellipse(_around(at, radius + unit), outline=EDGE, width=round(3 * unit))
    pen.ellipse(_around(at, radius + unit / 4), outline=INK, width=round(1.5 * unit))


def _disc(pen: ImageDraw.ImageDraw, at: Place, radius: float) -> None:
    pen.ellipse(_around(at, radius), fill=INK)


def _around(at: Place, radius: float) -> tuple[float, float, float, float]:
    x, y = at
    return x - radius, y - radius, x + radius, y + radius


def _arrow(pen: ImageDraw.ImageDraw, start: Place, end: Place, unit: float) -> None:
    """A line with a disc where it begins and a head where it ends."""
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    length = math.dist(start, end)
    neck = _from(end, angle + math.pi, min(6 * unit, length))
    sides = (_from(end, angle + math.pi + turn, min(9 * unit, length)) for turn in (0.45, -0.45))
    head = [end, *sides]
    for colour, wide in ((EDGE, 4.5 * unit), (INK, 2.0 * unit)):
        pen.line([start, neck], fill=colour, width=max(1, round(wide)))
    _disc(pen, start, 3 * unit)
    pen.polygon(head, fill=INK, outline=EDGE)


def _from(place: Place, angle: float, length: float) -> Place:
    return place[0] + length * math.cos(angle), place[1] + length * math.sin(angle)


def _captioned(shown: Picture.Image, note: str) -> Picture.Image:
    size = max(11, round(shown.width / 24))
    strip = round(size * 1.7)
    paper = Picture.new("RGB", (shown.width, shown.height + strip), PAPER)
    paper.paste(shown, (0, 0))
    pen, font = ImageDraw.Draw(paper), _font(size)
    while len(note) > 1 and pen.textlength(note, font) > shown.width - size:
        note = note.removesuffix("…")[:-1] + "…"
    pen.text((size / 2, shown.height + strip / 2), note, WORDS, font, "lm")
    return paper


def label(text: str, width: int, height: int) -> Picture.Image:
    """A text on a ground of its own, broken into lines."""
    paper = Picture.new("RGB", (width, height), PAPER)
    pen, font, size = ImageDraw.Draw(paper), _font(max(11, width // 20)), max(11, width // 20)
    lines = [""]
    for one in text:
        if pen.textlength(lines[-1] + one, font) > width - size:
            lines.append("")
        lines[-1] += one
    pen.multiline_text((size / 2, size / 2), "\n".join(line.strip() for line in lines), WORDS, font)
    return paper


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """An installed font with Chinese characters, else Pillow's own."""
    lister = shutil.which("fc-list")
    found = subprocess.run([lister, ":lang=zh", "file"], capture_output=True, text=True).stdout if lister else ""
    paths = sorted(line.strip().rstrip(":") for line in found.splitlines() if line.strip())
    plain = [path for path in paths if "Regular" in path] or paths
    return ImageFont.truetype(plain[0], size) if plain else ImageFont.load_default(size)


def sheet(rows: Sequence[Sequence[Picture.Image]], gap: int = 8) -> Picture.Image:
    """Pictures of different sizes in rows, on one ground."""
    heights = [max((one.height for one in row), default=0) for row in rows]
    width = max((sum(one.width + gap for one in row) for row in rows), default=0) + gap
    paper = Picture.new("RGB", (max(width, 1), sum(height + gap for height in heights) + gap), EDGE)
    down = gap
    for row, height in zip(rows, heights, strict=True):
        across = gap
        for one in row:
            paper.paste(one, (across, down))
            across += one.width + gap
        down += height + gap
    return paper
