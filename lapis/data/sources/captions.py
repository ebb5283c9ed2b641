"""Figures of documentation packages beside their captions.

A figure is a `<figure>` or an element of class `figure` that holds a picture; its caption is the longest text beside
the picture, or its alternative text. Pictures are scaled down to what two by two tiles show.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image as Pixels

from lapis.data.sources.markup import Figure, read_page
from lapis.data.sources.packages import Package
from lapis.data.sources.prose import language, package_files
from lapis.model import anyres
from lapis.types import Image, InputError, Sample, Text, Turn

SIDE = 504
"""Most pixels of a picture's side: two tiles of 252."""
SMALLEST = 48
"""Fewest pixels of a side; smaller pictures are ornaments."""
SHORTEST = 8
"""Fewest characters of a caption (half for Chinese)."""
_FIGURE = re.compile(r'<figure|class="figure"')
ASKED = {
    "en": ("What does this figure show?", "Give this picture a caption.", "Describe the figure in one line."),
    "zh": ("这张图展示了什么？", "为这张图片写一个标题。", "用一句话描述这张图。"),
}


def captions(packages: Sequence[Package], most: int) -> Iterator[Sample]:
    """At most `most` caption samples, packages in order, every picture with one caption only once."""
    seen: set[str] = set()
    for package in packages:
        for path in package_files(package):
            for figure in _figures(path):
                if len(seen) >= most:
                    return
                sample = _sample(package, path, figure)
                if sample is not None and sample.fingerprint not in seen:
                    seen.add(sample.fingerprint)
                    yield sample


def _figures(path: Path) -> list[Figure]:
    if path.suffix not in (".html", ".xml"):
        return []
    page = path.read_text(encoding="utf-8", errors="replace")
    return read_page(page).figures if _FIGURE.search(page) else []


def _sample(package: Package, page: Path, figure: Figure) -> Sample | None:
    """None where the picture is missing, unreadable or an ornament, or the caption says nothing."""
    picture = _picture(page.parent / figure.address)
    lang = language(figure.caption)
    if picture is None or len(figure.caption) < SHORTEST // (2 if lang == "zh" else 1):
        return None
    digest = hashlib.sha256(picture.data).digest()
    question = ASKED[lang][digest[0] % len(ASKED[lang])]
    return Sample(
        kind="caption",
        lang=lang,
        source=f"{package.name} {package.version} {page.relative_to(package.root)}",
        licence=package.licence,
        turns=(Turn("user", (picture, Text(question))), Turn("assistant", (Text(figure.caption),))),
        meta={"answer": figure.caption, "figure": figure.address},
    )


def _picture(path: Path) -> Image | None:
    """A PNG of at most SIDE x SIDE pixels, transparency over white."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".gif") or not path.is_file():
        return None
    try:
        flat = anyres.pixels(path.read_bytes(), str(path))
    except InputError:
        return None
    if min(flat.size) < SMALLEST:
        return None
    flat.thumbnail((SIDE, SIDE), Pixels.Resampling.LANCZOS)
    out = io.BytesIO()
    flat.save(out, "PNG")
    return Image(out.getvalue(), flat.width, flat.height)
