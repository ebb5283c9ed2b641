"""Dense labels of a tile, for its patches and its image tokens (ours).

A patch has its character; an image token the number that begins in it and the text tokens that lie over it.

Characters teach a ViT to read; tokens teach an image token to mean what the decoder calls the same text. An image token
holds three digits or more and keeps no order of what its patches show, so one of them, the token in which a number
begins, is told all of its digits. Places of letters come measured from the browser, so labels are right to the pixel.

Shape legend: R text rectangles, V image tokens of a tile, K labels of an image token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from lapis import config
from lapis.model.anyres import Placement
from lapis.types import IGNORE, NUMBER_LABELS, PATCH_LABELS

TOKEN_LABELS = 4
"""Most tokens of text that label an image token."""
LABELS = PATCH_LABELS + NUMBER_LABELS + TOKEN_LABELS
"""K: first the characters of an image token's patches, then the digits of a number, then its tokens."""
END = 10
"""The label where a number has no further digit."""
NUMBER = re.compile(rf"(?<!\d)\d{{1,{NUMBER_LABELS}}}(?!\d)")
"""Numbers that are labelled; longer ones are not."""
LEAST_HEIGHT = 9.0
"""Height in tile pixels below which text is unreadable and gives no label (ours)."""
LEAST_OVERLAP = 0.25
"""Share of the smaller of text and cell that must overlap on an axis (ours): spilled edges give no label."""

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Word = Sequence[Any]
"""(text, x, y, w, h) in image pixels."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Ids [R] and boxes [R, 4] (left, top, right, bottom in pixels) of pieces of text."""

    ids: Ints
    boxes: Floats

    @classmethod
    def of(cls, found: Sequence[tuple[int, float, float, float, float]]) -> Boxes:
        table = np.asarray(found, dtype=np.float64).reshape(-1, 5)
        return cls(table[:, 0].astype(np.int32), table[:, 1:])

    def on(self, place: Placement) -> Boxes:
        """In a tile's pixels, without what is too small to read there."""
        moved = self.boxes * place.scale + np.array([place.dx, place.dy, place.dx, place.dy])
        readable = moved[:, 3] - moved[:, 1] >= LEAST_HEIGHT
        return Boxes(self.ids[readable], moved[readable])


def characters(words: Sequence[Word], letters: Sequence[Sequence[float]], known: Callable[[str], int]) -> Boxes:
    """Every character of words that is a token of its own; `known` gives its id or IGNORE.

    `letters` holds the right edge of each character of each word; where it is empty, a wide character (Chinese) takes
    twice a narrow one's share of its word's width.
    """
    found = []
    for (text, x, y, _, h), edges in zip(words, _edges(words, letters), strict=True):
        for character, left, right in zip(text, (x, *edges), edges, strict=False):
            if known(character) != IGNORE:
                found.append((known(character), left, y, right, y + h))
    return Boxes.of(found)


def numbers(words: Sequence[Word], letters: Sequence[Sequence[float]]) -> Boxes:
    """Every number in words by its value, with the box of its first digit."""
    found = []
    for (text, x, y, _, h), edges in zip(words, _edges(words, letters), strict=True):
        for number in NUMBER.finditer(text):
            left, right = (x, *edges)[number.start()], edges[number.start()]
            found.append((int(number[0]), left, y, right, y + h))
    return Boxes.of(found)


def digits(value: int) -> list[int]:
    """The NUMBER_LABELS digits of a number from its first on, then END."""
    written = [int(digit) for digit in str(value)]
    return written + [END] * (NUMBER_LABELS - len(written))


def tokens(
    words: Sequence[Word], letters: Sequence[Sequence[float]], pieces: Callable[[str], list[tuple[int, int, int]]]
) -> Boxes:
    """Every token of words, as a sentence would have them: a word behind another on its line begins with a space.

    `pieces` gives a word's tokens with their characters (chat.Tokenizer.pieces).
    """
    found = []
    for word, edges, spaced in zip(words, _edges(words, letters), _spaced(words), strict=True):
        corners = (word[1], *edges)
        for token, start, stop in pieces(" " * spaced + word[0]):
            left, right = corners[max(0, start - spaced)], corners[stop - spaced]
            if right > left:
                found.append((token, left, word[2], right, word[2] + word[4]))
    return Boxes.of(found)


def _edges(words: Sequence[Word], letters: Sequence[Sequence[float]]) -> Iterator[Sequence[float]]:
    for (text, x, _, w, _), edges in zip(words, letters or [()] * len(words), strict=True):
        yield edges or _even(text, x, w)


def _even(text: str, x: float, w: float) -> list[float]:
    shares = [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text]
    unit = w / max(sum(shares), 1)
    return [x + unit * done for done in accumulate(shares)]


def _spaced(words: Sequence[Word]) -> Iterator[bool]:
    """Whether a word follows another one of its line after a space (Chinese has none)."""
    before: Word | None = None
    for word in words:
        follows = before is not None and abs(word[2] - before[2]) < 2 and 0 < word[1] - before[1] - before[3] < word[4]
        yield follows and word[0].isascii() and before is not None and str(before[0]).isascii()
        before = word


@dataclass(frozen=True, slots=True)
class Written:
    """Everything that is written on a picture, in its pixels."""

    shown: Boxes
    """Characters by their tokens."""
    begun: Boxes
    """Numbers by their values, where their first digit stands."""
    named: Boxes
    """Tokens of text."""


def of_tile(written: Written, place: Placement, shape: config.Model) -> Ints:
    """Labels [V, K] of a tile."""
    grid, shuffle = shape.vit.grid, shape.adapter.shuffle
    cells, cell = -(-grid // shuffle), shape.vit.patch * shuffle
    read = quarters(written.shown.on(place), grid, shape.vit.patch, shuffle)
    counted = begun(written.begun.on(place), cells, cell)
    return np.concatenate([read, counted, covered(written.named.on(place), cells, cell)], axis=1)


def begun(numbers: Boxes, grid: int, cell: int) -> Ints:
    """[grid^2, NUMBER_LABELS]: digits of the number whose first digit has its middle in each cell, the first of two."""
    out = np.full((grid * grid, NUMBER_LABELS), IGNORE, dtype=np.int32)
    middles = (numbers.boxes[:, :2] + numbers.boxes[:, 2:]) / 2 // cell
    for value, (column, row) in reversed([*zip(numbers.ids.tolist(), middles.tolist(), strict=True)]):
        if min(column, row) >= 0 and max(column, row) < grid:
            out[int(row * grid + column)] = digits(value)
    return out


def quarters(shown: Boxes, grid: int, patch: int, shuffle: int) -> Ints:
    """[V, shuffle^2]: of each patch of an image token, in the adapter's order, the character at its centre; an odd grid
    is padded as the adapter pads it."""
    odd = -grid % shuffle
    one = np.pad(centred(shown, grid, patch).reshape(grid, grid), (0, odd), constant_values=IGNORE)
    side = (grid + odd) // shuffle
    return one.reshape(side, shuffle, side, shuffle).swapaxes(1, 2).reshape(side * side, shuffle**2)


def centred(shown: Boxes, grid: int, patch: int) -> Ints:
    """Label [grid^2] of each patch: of the boxes across its middle column, the one that takes most of its height;
    IGNORE where that is too little. A patch as wide as two letters shows only one at its centre, so no label is a
    matter of chance (ours)."""
    if not len(shown.ids):
        return np.full(grid * grid, IGNORE, dtype=np.int32)
    middles, boxes = (np.arange(grid) + 0.5) * patch, shown.boxes
    across = (boxes[:, :1] <= middles) & (middles < boxes[:, 2:3])
    down = _overlap(boxes[:, 1], boxes[:, 3], grid, patch)
    shares = (down[:, :, None] * across[:, None, :]).reshape(len(boxes), -1)
    return np.where(shares.max(0) > 0, shown.ids[shares.argmax(0)], IGNORE).astype(np.int32)


def covered(named: Boxes, grid: int, cell: int) -> Ints:
    """[grid^2, TOKEN_LABELS]: the tokens over each cell, largest overlap first, the earlier one of two equals."""
    across = _overlap(named.boxes[:, 0], named.boxes[:, 2], grid, cell)
    down = _overlap(named.boxes[:, 1], named.boxes[:, 3], grid, cell)
    area = (down[:, :, None] * across[:, None, :]).reshape(len(named.ids), grid * grid)
    most = np.argsort(-area, axis=0, kind="stable")[:TOKEN_LABELS]
    out = np.full((grid * grid, TOKEN_LABELS), IGNORE, dtype=np.int32)
    out[:, : len(most)] = np.where(np.take_along_axis(area, most, 0) > 0, named.ids[most], IGNORE).T
    return out


def _overlap(low: Floats, high: Floats, grid: int, cell: int) -> Floats:
    """Pixels [R, grid] that spans share with each cell of an axis; too little counts as none."""
    edges = np.arange(grid) * cell
    shared = np.minimum(high[:, None], edges + cell) - np.maximum(low[:, None], edges)
    least = LEAST_OVERLAP * np.minimum(high - low, cell)
    return np.where(shared >= np.maximum(least, 1e-6)[:, None], shared, 0.0)
