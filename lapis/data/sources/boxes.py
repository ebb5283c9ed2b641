"""Where things are on screens, in the forms of ScreenSpot, ScreenSpot-Pro, OS-Atlas and ShowUI, as `screen/ground`.

How a box is written differs: numbers of 0 to 1 are left, top, right, bottom (OS-Atlas, ShowUI, copies of ScreenSpot);
pixels are left, top, right, bottom beside `img_size` or `ui_type` (Pro), else x, y, width, height (ScreenSpot v1, v2).
Here each is x, y, width, height in thousandths of the picture.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from lapis.data.screens.phrases import GROUND
from lapis.data.sources.base import Bad, Broken, clean
from lapis.data.sources.prose import language
from lapis.data.sources.records import Record
from lapis.types import Image, Sample, Text, Turn
from lapis.verify import point_text

FOLDERS = ("", "images", "screenspot_imgs", "screenspotv2_image")
"""Where the published archives keep their pictures, beside the annotation file or one folder up."""
MOST = 12
"""Most questions of a conversation: its picture costs as much as ten of them."""
_ASKED = {
    lang: [frame for frame in frames if "{role}" not in frame and re.search(r'"\{name\}"|“\{name\}”', frame)]
    for lang, frames in GROUND.items()
}
_SLACK = 0.002
"""By how much shares are over 1 where they were rounded: 1.0004 is no pixel."""
Asked = tuple[str, list[float]]
"""An instruction and the box it means, in thousandths."""


def groundings(record: Record) -> Iterator[Sample | Broken]:
    """Conversations of at most MOST questions over a record's picture, and its broken elements. Raises Bad."""
    images = record.images()
    if len(images) != 1:
        raise Bad("no picture" if not images else "not one picture")
    elements = record.get("elements")
    if elements is None:
        yield _sample(record, images[0], [_asked(record.get("instruction"), record.get("box"), record, images[0])])
        return
    if not isinstance(elements, list) or not elements:
        raise Bad("no elements")
    asked: list[Asked] = []
    for number, element in enumerate(elements, 1):
        try:
            asked.append(_element(element, record, images[0]))
        except Bad as bad:
            yield Broken(f"{record.place} box {number}", bad.reason)
    for first in range(0, len(asked), MOST):
        yield _sample(record, images[0], asked[first : first + MOST])


def _element(element: Any, record: Record, image: Image) -> Asked:
    if not isinstance(element, Mapping):
        raise Bad("wrong type")
    inner = Record(element, record.place, record.origin, record.open)
    return _asked(inner.get("instruction"), inner.get("box"), record, image)


def _asked(instruction: Any, box: Any, record: Record, image: Image) -> Asked:
    text = clean(instruction).strip()
    frames = _ASKED[language(text)]
    frame = frames[zlib.crc32(text.encode()) % len(frames)]
    return frame.replace("{name}", text), thousandths(box, record.fields, image)


def thousandths(box: Any, fields: Mapping[str, Any], image: Image) -> list[float]:
    """A published box as x, y, width, height in thousandths of the picture. Raises Bad where it lies outside."""
    if not isinstance(box, list) or len(box) != 4 or not all(_number(side) for side in box):
        raise Bad("bad box")
    shares = all(0 <= side <= 1 + _SLACK for side in box)
    wide, high = (1, 1) if shares else (image.width, image.height)
    x, y, third, fourth = (float(side) for side in box)
    corners = shares or "img_size" in fields or "ui_type" in fields
    w, h = (third - x, fourth - y) if corners else (third, fourth)
    slack = _SLACK if shares else 1
    if w <= 0 or h <= 0 or x < 0 or y < 0 or x + w > wide + slack or y + h > high + slack:
        raise Bad("box outside the picture")
    return [1000 * x / wide, 1000 * y / high, 1000 * w / wide, 1000 * h / high]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _sample(record: Record, image: Image, asked: list[Asked]) -> Sample:
    turns: list[Turn] = []
    for number, (question, box) in enumerate(asked):
        parts = (Text(question),) if number else (image, Text(question))
        turns += [Turn("user", parts), Turn("assistant", (Text(point_text(box)),))]
    meta: dict[str, Any] = {"boxes": [box for _, box in asked]}
    if len(asked) == 1:
        meta |= {"verifier": "point", "box": asked[0][1], "answer": point_text(asked[0][1])}
    lang = record.lang() or record.origin.lang or language(" ".join(question for question, _ in asked))
    return record.sample(tuple(turns), lang, kind="screen/ground", meta=meta)
