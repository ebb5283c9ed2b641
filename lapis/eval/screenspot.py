"""Held-out screens in the three published forms of ScreenSpot, so that the road from such files to figures is shown.

The published sets are fetched by hand; where none is at hand, these stand in their place, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lapis import files
from lapis.eval.grounding import PLATFORMS
from lapis.types import Sample

EACH = 20
"""Screens in each form."""
Form = Callable[[dict[str, Any], list[float], Sample], dict[str, Any]]


def write(samples: Sequence[Sample], folder: Path) -> None:
    """Up to EACH screens a form with their annotations, in `folder`; the samples point, and are dealt to the forms."""
    for number, (name, form) in enumerate(FORMS.items()):
        chosen = samples[number :: len(FORMS)][:EACH]
        images = folder / name / "images"
        images.mkdir(parents=True, exist_ok=True)
        entries = []
        for place, sample in enumerate(chosen):
            (images / f"{place}.png").write_bytes(sample.images[0].data)
            entries.append(_entry(f"{place}.png", sample, form))
        files.write_json(folder / name / f"{name}.json", entries)


def _entry(file: str, sample: Sample, form: Form) -> dict[str, Any]:
    picture = sample.images[0]
    sides = (picture.width, picture.height, picture.width, picture.height)
    box = [round(part * side / 1000, 2) for part, side in zip(sample.meta["box"], sides, strict=True)]
    name = str(sample.meta["answer"]).rpartition(" (")[0] or sample.turns[0].text
    return form({"img_filename": file, "instruction": name}, box, sample)


def _plain(entry: dict[str, Any], box: list[float], sample: Sample) -> dict[str, Any]:
    """v1 and v2: x, y, width, height."""
    return entry | {"bbox": box, "data_type": _type(sample), "data_source": _source(sample)}


def _pro(entry: dict[str, Any], box: list[float], sample: Sample) -> dict[str, Any]:
    """Left, top, right, bottom, and the picture's size."""
    x, y, w, h = box
    picture, source = sample.images[0], _source(sample)
    return entry | {
        "bbox": [x, y, round(x + w, 2), round(y + h, 2)],
        "img_size": [picture.width, picture.height],
        "ui_type": _type(sample),
        "platform": source,
        "application": sample.meta["template"],
        "group": PLATFORMS[source],
    }


def _type(sample: Sample) -> str:
    return "icon" if sample.meta.get("role") == "icon" else "text"


def _source(sample: Sample) -> str:
    return "android" if sample.images[0].height > sample.images[0].width else "windows"


FORMS: dict[str, Form] = {"screenspot_desktop": _plain, "screenspot_desktop_v2": _plain, "screenspot_pro": _pro}
"""Annotation file, as published, to the form of its entries."""
MOST = EACH * len(FORMS)
"""Screens in all forms."""
