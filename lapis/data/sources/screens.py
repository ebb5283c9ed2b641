"""Screens of our own in a folder: `a.png` beside `a.json`, which says what data/screens/page.py's `Screen` holds.

The JSON has the fields of `Screen` without the picture, boxes in its pixels, and may have a `licence`. Of each screen
come conversations of the kind that the source says (`screen/ground`), or of all kinds (`screen`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lapis.data.screens import phrases, tasks
from lapis.data.screens.page import Screen
from lapis.data.sources import lines, records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, clean
from lapis.data.sources.pictures import picture
from lapis.data.sources.places import bundled, bundles, files, inside
from lapis.data.sources.unpack import whole
from lapis.types import Image, Sample

ENDINGS = (".json",)
_PICTURE = ".png"
_ALL = ("ocr", "ground", "describe", "qa", "told")
_SCREEN = TypeAdapter(Screen)


def slices(place: Path) -> list[Slice]:
    """Some screens of a folder each, with their pictures."""
    files(place, ENDINGS)
    return bundles(place, (*ENDINGS, _PICTURE))


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """Conversations over each screen, a pure function of its name."""
    for file in bundled(part):
        if file.path.suffix.lower() not in ENDINGS:
            continue
        try:
            found = _samples(file, origin)
        except Bad as bad:
            yield Broken(file.name, bad.reason)
        else:
            yield from found


def _samples(file: Slice, origin: Origin) -> list[Sample]:
    fields = lines.value(whole(file, lines.LONGEST))
    image = file.path.with_suffix(_PICTURE)
    shown = picture(records.content(inside(image, file.root)), image.name)
    if not isinstance(fields, dict):
        raise Bad("wrong type")
    licence = fields.pop("licence", None)
    screen = screen_of(fields, shown)
    kinds = [origin.kind.partition("/")[2]] if "/" in origin.kind else _ALL
    licence = origin.licence if licence is None else clean(licence)
    if not licence:
        raise Bad("no licence")
    try:
        made = tasks.samples(screen, random.Random(file.name), kinds)
    except (LookupError, ValueError, TypeError, ArithmeticError):
        raise Bad("bad screen") from None
    return [replace(sample, source=f"{origin.name} {file.name}", licence=licence) for sample in made]


def screen_of(fields: dict[str, Any], image: Image) -> Screen:
    """A screen of its fields. Raises Bad where they are none, and where a box leaves the picture."""
    try:
        screen = _SCREEN.validate_python({**fields, "image": image})
    except ValidationError:
        raise Bad("bad screen") from None
    if screen.lang not in phrases.YES_NO or any(element.role not in phrases.ROLES for element in screen.elements):
        raise Bad("bad screen")
    for x, y, w, h in (element.box for element in screen.elements):
        if w <= 0 or h <= 0 or x < -1 or y < -1 or x + w > image.width + 1 or y + h > image.height + 1:
            raise Bad("box outside the picture")
    return screen


FORM = Form("screens", slices, read, named=False)
