"""Where an answer that points must have looked: for each point that it writes, the image tokens over what is meant.

A sample's `meta["boxes"]` holds the box of each answer, in the order of its turns. The token before a point's first
digit is the one that looks; the middle of the box is what it then says.

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


def looks(sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer, model: config.Model) -> Ints:
    """[L, 4]: position of a token that looks, position of an image token that it may look at, and x and y of the box's
    middle in thousandths; by looking token.

    Empty without boxes. Raises ValueError where a sample has not as many points as boxes.
    """
    boxes: Sequence[Box] = sample.meta.get("boxes", ())
    if not boxes or not encoded.images:
        return np.zeros((0, COLUMNS), np.int32)
    image = np.flatnonzero(np.asarray(encoded.ids) == tokenizer.id(chat.IMAGE))
    found = [
        (position, image[cell], box[0] + box[2] / 2, box[1] + box[3] / 2)
        for position, box in zip(_points(encoded, tokenizer), boxes, strict=True)
        for cell in covered(box, encoded.images[0], model)
    ]
    return np.asarray(found, np.int32).reshape(-1, COLUMNS)


def _points(encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[int]:
    """Positions before the first digit of every `(123,045)` that is trained."""
    texts = [tokenizer.decode([token]) if on else "" for token, on in zip(encoded.ids, encoded.trained, strict=True)]
    for at, text in enumerate(texts):
        first, comma, second = texts[at + 1 : at + 4], texts[at + 4 : at + 5], texts[at + 5 : at + 8]
        digits = [*first, *second]
        if text.endswith("(") and comma == [","] and len(digits) == 2 * DIGITS and all(map(str.isdigit, digits)):
            yield at


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
