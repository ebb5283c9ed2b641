"""One grounding harness for our own held-out screens and for ScreenSpot v1, v2 and Pro in their own files.

The formats differ where it hurts: v1 and v2 write a box as pixel [x, y, width, height], Pro as pixel
[left, top, right, bottom] beside `img_size`. Here each becomes a `Sample` whose `meta["box"]` is [x, y, w, h] in
thousandths of the image, which is what our own screens carry; from there on there is one road. Metric: the predicted
point lies in the box, by element type and by platform (ScreenSpot, arXiv 2401.10935; Pro, arXiv 2504.07981).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapis.data.sources.boxes import FOLDERS
from lapis.eval.harness import Ask, Record, measure, summary
from lapis.model.anyres import image_of
from lapis.types import Generator, InputError, Progress, Sample, Text, Turn

BREAKDOWN = ("type", "platform", "application", "group")
QUESTION = 'Where is "{}"?'
"""One of the forms that our own screens are trained with."""
PLATFORMS = {"windows": "desktop", "macos": "desktop", "linux": "desktop", "ios": "mobile", "android": "mobile"}
"""v1 and v2's `data_source` to platform; their other sources are web sites."""


@dataclass(frozen=True, slots=True)
class Target:
    """One annotation: where its picture lies, what is asked, and the box as published."""

    place: str
    """File and entry, for messages."""
    image: Path
    instruction: str
    box: tuple[float, float, float, float]
    """x, y, width, height in pixels of the picture."""
    tags: dict[str, str]


def read(folder: Path) -> dict[str, list[Target]]:
    """Every annotation file below `folder`, by benchmark: screenspot, screenspot_v2, screenspot_pro.

    Raises InputError naming file and field where a folder holds no annotations, an entry misses a field, a box is no
    box, or a picture is not there.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder with ScreenSpot's annotation files and pictures")
    found: dict[str, list[Target]] = {}
    for path in sorted(folder.rglob("*.json")):
        entries = _entries(path)
        if entries:
            pro = "img_size" in entries[0] or "ui_type" in entries[0]
            name = "screenspot_pro" if pro else "screenspot_v2" if "v2" in path.stem.lower() else "screenspot"
            targets = [_target(path, folder, number, entry, pro) for number, entry in enumerate(entries)]
            found.setdefault(name, []).extend(targets)
    if not found:
        raise InputError(f"{folder}: no ScreenSpot annotations (JSON lists with img_filename, bbox, instruction)")
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    """The annotations of a file; nothing where the file is JSON of another kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not JSON in UTF-8: {error}") from None
    entries = content if isinstance(content, list) else []
    if not entries or not isinstance(entries[0], dict) or not {"img_filename", "bbox"} & entries[0].keys():
        return []
    return entries


def _target(path: Path, root: Path, number: int, entry: Any, pro: bool) -> Target:
    place = f"{path}: entry {number}"
    if not isinstance(entry, dict):
        raise InputError(f"{place}: expected an object, got {type(entry).__name__}")
    image = _picture(path.parent, root, _word(entry, "img_filename", place), place)
    tags = _pro_tags(entry, place) if pro else _tags(entry, place)
    return Target(place, image, _word(entry, "instruction", place), _box(entry, place, pro), tags)


def _word(entry: dict[str, Any], name: str, place: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{place}: {name}: expected text, got {value!r}")
    return value


def _picture(beside: Path, root: Path, name: str, place: str) -> Path:
    for base in (beside, beside.parent, root):
        for folder in FOLDERS:
            path = base / folder / name
            if path.is_file():
                return path
    raise InputError(f"{place}: img_filename: no picture {name} beside the annotations or in {root}")


def _tags(entry: dict[str, Any], place: str) -> dict[str, str]:
    source = _word(entry, "data_source", place)
    return {"type": _word(entry, "data_type", place), "platform": PLATFORMS.get(source, "web"), "application": source}


def _pro_tags(entry: dict[str, Any], place: str) -> dict[str, str]:
    names = {"type": "ui_type", "platform": "platform", "application": "application", "group": "group"}
    return {tag: _word(entry, field, place) for tag, field in names.items()}


def _box(entry: dict[str, Any], place: str, pro: bool) -> tuple[float, float, float, float]:
    order = "left, top, right, bottom" if pro else "x, y, width, height"
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_number(side) for side in box):
        raise InputError(f"{place}: bbox: expected four numbers ({order}, in pixels), got {box!r}")
    x, y, third, fourth = (float(side) for side in box)
    width, height = (third - x, fourth - y) if pro else (third, fourth)
    if width <= 0 or height <= 0:
        raise InputError(f"{place}: bbox: {box} has no area as {order}")
    return x, y, width, height


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def samples(targets: Sequence[Target], question: str = QUESTION) -> Iterator[Sample]:
    """The targets as samples, one picture in memory at a time. Raises InputError for a bad picture or a box outside."""
    for target in targets:
        image = image_of(target.image.read_bytes(), str(target.image))
        width, height = image.width, image.height
        x, y, w, h = target.box
        if x < 0 or y < 0 or x + w > width + 1 or y + h > height + 1:
            raise InputError(f"{target.place}: bbox: {list(target.box)} lies outside the picture, {width} x {height}")
        box = [1000 * x / width, 1000 * y / height, 1000 * w / width, 1000 * h / height]
        parts = (image, Text(question.format(target.instruction)))
        meta = {"verifier": "point", "box": box, **target.tags}
        yield Sample("screen/ground", "en", target.place, "ScreenSpot", (Turn("user", parts),), meta=meta)


def evaluate(
    generator: Generator, folder: Path, max_tokens: int, progress: Progress
) -> tuple[dict[str, dict[str, Any]], list[Record]]:
    """Every benchmark in `folder`: its summary (by type, platform, application, group) and all answers."""
    results, records = {}, []
    for name, targets in read(folder).items():
        answers = measure(generator, samples(targets), Ask(name, "direct"), max_tokens, progress, BREAKDOWN)
        results[name] = summary(answers)
        records += answers
    return results, records
