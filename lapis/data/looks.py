"""Where a model must have looked for what it writes: image tokens for a point, words of the question for a number.

A sample's `meta["boxes"]` holds the box of each answer that points, in the order of its turns. The token before a
point's first digit is the one that looks; the middle of the box is what it then says. A thought that copies the
question's numbers in their order looks for each digit at that digit, and for the sign before a number at the words
between the number and the one before it.

Shape legend: L looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lapis import chat, config
from lapis.model import anyres
from lapis.types import Image, Sample

Ints = npt.NDArray[np.int32]
Box = Sequence[float]
"""(x, y, w, h) in thousandths of the picture."""
DIGITS = 3
"""Of each coordinate."""
COLUMNS = 4
"""Numbers of a look."""
NO_POINT = -1
WORK = (":", "=")
"""Behind one of these a line of a thought copies nothing more."""


def looks(sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer, model: config.Model) -> Ints:
    """[L, 4]: position of a token that looks, position of a token that it may look at, and for a point x and y of the
    box's middle in thousandths, NO_POINT for what is copied from text; by looking token.

    Raises ValueError where a sample has not as many points as boxes.
    """
    boxes: Sequence[Box] = sample.meta.get("boxes", ())
    if not boxes or not encoded.images:
        copied = _copies(encoded, tokenizer) if sample.kind.startswith("math/") else ()
        return np.asarray([(*pair, NO_POINT, NO_POINT) for pair in copied], np.int32).reshape(-1, COLUMNS)
    image = np.flatnonzero(np.asarray(encoded.ids) == tokenizer.id(chat.IMAGE))
    found = [
        (position, image[cell], box[0] + box[2] / 2, box[1] + box[3] / 2)
        for position, box in zip(_points(encoded, tokenizer), boxes, strict=True)
        for cell in covered(box, encoded.images[0], model)
    ]
    return np.asarray(found, np.int32).reshape(-1, COLUMNS)


def _points(encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[int]:
    """Positions before the first digit of every `(123,045)` that is trained."""
    texts = [tokenizer.texts[token] if on else "" for token, on in zip(encoded.ids, encoded.trained, strict=True)]
    for at, text in enumerate(texts):
        first, comma, second = texts[at + 1 : at + 4], texts[at + 4 : at + 5], texts[at + 5 : at + 8]
        digits = [*first, *second]
        if text.endswith("(") and comma == [","] and len(digits) == 2 * DIGITS and all(map(str.isdigit, digits)):
            yield at


def _copies(encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[tuple[int, int]]:
    """(token that looks, token of the question) for the numbers that are copied in order."""
    texts = [tokenizer.texts[token] for token in encoded.ids]
    asked = list(_numbers(texts, [not on for on in encoded.trained]))
    written = _numbers(texts, _copying(texts, encoded.trained))
    before = 0
    for number in written:
        if not asked or texts[number.start : number.stop] != texts[asked[0].start : asked[0].stop]:
            continue
        source = asked.pop(0)
        yield from ((number.start - 2, word) for word in range(before, source.start) if before)
        yield from ((place - 1, digit) for place, digit in zip(number, source, strict=True))
        before = source.stop


def _copying(texts: Sequence[str], trained: Sequence[bool]) -> list[bool]:
    """Whether a token is trained and stands in its line before any work."""
    found, copies = [], True
    for text, on in zip(texts, trained, strict=True):
        copies = "\n" in text or (copies and not text.startswith(WORK))
        found.append(on and copies)
    return found


def _numbers(texts: Sequence[str], among: Sequence[bool]) -> Iterator[range]:
    """Runs of digit tokens, in order."""
    start = None
    for at, (text, counts) in enumerate(zip([*texts, ""], [*among, False], strict=True)):
        if counts and text.isdigit():
            start = at if start is None else start
        elif start is not None:
            yield range(start, at)
            start = None


def covered(box: Box, image: Image, model: config.Model) -> list[int]:
    """Numbers, over all tiles in order, of the image tokens whose middle lies in a box; of a box that holds no middle
    the token that holds the box's own."""
    side, cell = math.isqrt(model.tokens_per_tile), model.vit.patch * model.adapter.shuffle
    x, y, w, h = (value * edge / 1000 for value, edge in zip(box, 2 * (image.width, image.height), strict=True))
    cells = []
    for number, place in enumerate(anyres.placements(image.width, image.height, model.anyres, model.vit.tile)):
        columns = _span(x * place.scale + place.dx, w * place.scale, cell, side)
        rows = _span(y * place.scale + place.dy, h * place.scale, cell, side)
        cells += [(number * side + row) * side + column for row in rows for column in columns]
    return cells


def _span(start: float, length: float, cell: int, side: int) -> range:
    """Cells of one axis whose middle lies in [start, start + length]; the one around its middle where there is none."""
    first, last = math.ceil(start / cell - 0.5), math.floor((start + length) / cell - 0.5)
    if first > last:
        first = last = math.floor((start + length / 2) / cell)
    return range(max(0, first), min(side - 1, last) + 1)
