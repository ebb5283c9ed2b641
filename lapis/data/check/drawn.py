"""The samples that a person is shown, drawn from a file, and what the page is told of each."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from lapis.data import store
from lapis.types import InputError, Sample, Text

BOXES = ("box", "boxes")
"""Fields of `meta` that lie on the first picture, in thousandths of it."""


def draw(path: Path, count: int, seed: int) -> list[Sample]:
    """`count` samples of a file at random, in its order; all of them where it has no more.

    Raises InputError for a file without samples.
    """
    total = len(store.read_column(path, "id"))
    if not total:
        raise InputError(f"{path}: no samples there")
    wanted = set(random.Random(f"check {seed}").sample(range(total), min(count, total)))
    found: list[Sample] = []
    start = 0
    for group in range(store.groups(path)):
        if not wanted:
            break
        rows = store.read_group(path, group)
        found += [sample for at, sample in enumerate(rows, start) if at in wanted]
        start += len(rows)
        wanted = {at for at in wanted if at >= start}
    return found


def told(sample: Sample, number: int) -> dict[str, Any]:
    """A sample as the page's JSON; pictures by their paths."""
    images = iter(range(len(sample.images)))
    turns = [
        {
            "role": turn.role,
            "thought": turn.thought,
            "parts": [
                {"text": part.text}
                if isinstance(part, Text)
                else {"image": f"images/{number}/{next(images)}", "width": part.width, "height": part.height}
                for part in turn.parts
            ],
        }
        for turn in sample.turns
    ]
    about = {"kind": sample.kind, "lang": sample.lang, "source": sample.source, "licence": sample.licence}
    more = {"budget": sample.budget, "document": sample.document, "boxes": _boxes(sample)}
    meta = {name: value for name, value in sample.meta.items() if name not in BOXES}
    return {"id": sample.fingerprint, "turns": turns, "meta": meta, **about, **more}


def _boxes(sample: Sample) -> list[list[float]]:
    """Boxes (x, y, w, h in thousandths) of the sample's answers; an action that may be done anywhere has none."""
    one, many = (sample.meta.get(name) for name in BOXES)
    return [list(box) for box in ([one] if one else many or []) if box is not None]
