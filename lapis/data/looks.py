"""Where a model must have looked for what it writes: image tokens for a point or a number, words for what is copied.

A sample's `meta["boxes"]` holds the box of each answer that points, in the order of its turns. The token before a
point's first digit is the one that looks; the middle of the box is what it then says. `meta["values"]` holds the boxes
of numbers that a picture shows: whoever names one first looks at where it begins (the image token there says all of it,
labels.py), one token before each digit and before what follows. A worked thought looks, one token before whatever it
copies, at what it copies, and at what tells it what comes next (traces.py). A name that stands before a point is looked
for by each of its tokens, so that pointing does not hang on the last one alone.

Shape legend: L looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby

import numpy as np
import numpy.typing as npt

from lapis import chat, config
from lapis.data import traces
from lapis.model import anyres
from lapis.types import NUMBER_LABELS, Image, Sample

Ints = npt.NDArray[np.int32]
Box = Sequence[float]
"""(x, y, w, h) in thousandths of the picture."""
DIGITS = 3
"""Of each coordinate."""
COLUMNS = 4
"""Numbers of a look."""
FROM_QUESTION, FROM_THOUGHT, FROM_PICTURE, CLUE, NAME = -1, -2, -3, -4, -5
"""In the place of a point: where what is copied stands, that the look is at what tells how to go on, or that it is at
a name of the picture."""
COPYING = ("math/", "screen/math", "screen/list", "screen/ground")
"""Kinds whose thoughts or answers copy."""
READING = ("screen/read", "screen/list")
"""Templates whose answers, as thoughts do, show a number as it stands in the picture."""


def looks(sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer, model: config.Model) -> Ints:
    """[L, 4]: position of a token that looks, position of a token that it may look at, and for a point x and y of the
    box's middle in thousandths, else FROM_QUESTION, FROM_THOUGHT, CLUE or NAME twice, or FROM_PICTURE and the number
    that is read; by looking token.

    Raises ValueError where a sample has not as many points as boxes.
    """
    boxes: Sequence[Box] = sample.meta.get("boxes", ()) if encoded.images else ()
    shown = np.flatnonzero(np.asarray(encoded.ids) == tokenizer.id(chat.IMAGE)).tolist()
    points = dict(zip(_points(encoded, tokenizer), boxes, strict=True)) if boxes else {}
    found = {
        (position, token, int(box[0] + box[2] / 2), int(box[1] + box[3] / 2))
        for position, box in points.items()
        for token in _over(box, encoded, shown, model)
    }
    found |= {
        (position, token, NAME, NAME)
        for position, box in _names(sample, encoded, tokenizer, points)
        for token in _over(box, encoded, shown, model)
    }
    if sample.kind.startswith(COPYING):
        found |= {(*read, read[-1]) for read in _copies(sample, encoded, tokenizer)}
        found |= {*_numbers(sample, encoded, tokenizer, shown, model)}
    return np.asarray(sorted(found), np.int32).reshape(-1, COLUMNS)


def _over(box: Box, encoded: chat.Encoded, shown: Sequence[int], model: config.Model) -> list[int]:
    """Positions of the image tokens over a box of the first picture; `shown` are those of all image tokens."""
    return [shown[cell] for cell in covered(box, encoded.images[0], model)]


def _points(encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[int]:
    """Positions before the first digit of every `(123,045)` that is trained."""
    texts = [tokenizer.texts[token] if on else "" for token, on in zip(encoded.ids, encoded.trained, strict=True)]
    for at, text in enumerate(texts):
        first, comma, second = texts[at + 1 : at + 4], texts[at + 4 : at + 5], texts[at + 5 : at + 8]
        digits = [*first, *second]
        if text.endswith("(") and comma == [","] and len(digits) == 2 * DIGITS and all(map(str.isdigit, digits)):
            yield at


def _names(
    sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer, points: Mapping[int, Box]
) -> Iterator[tuple[int, Box]]:
    """Positions of the tokens of a name before a point, each with where the picture shows it; of names that are written
    there."""
    texts = [tokenizer.texts[token] for token in encoded.ids]
    for _, written in _turns(encoded, tokenizer) if points else ():
        said, at = _spelled(texts, written)
        for name in traces.NAME.finditer(said.partition("\n")[0]):
            box = points.get(at[name.end()])
            if box and _written(name[1], box, sample):
                yield from ((position, box) for position in sorted({*at[name.start(1) : name.end(1)]}))


def _written(name: str, box: Box, sample: Sample) -> bool:
    """Whether a box, in thousandths, holds a word of a name; taken as given where a sample does not tell its words."""
    if not sample.cells:
        return True
    image, words = sample.images[0], sample.cells[0]["words"]
    x, y, w, h = (value * edge / 1000 for value, edge in zip(box, 2 * (image.width, image.height), strict=True))
    return any(
        text in name and x <= left + width / 2 <= x + w and y <= top + height / 2 <= y + h
        for text, left, top, width, height in words
    )


def _copies(sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[tuple[int, int, int]]:
    """(token that looks, token that it reads, where that stands) for what a thought copies, and what tells it how to
    go on."""
    texts = [tokenizer.texts[token] for token in encoded.ids]
    for asked, written in _turns(encoded, tokenizer):
        human, said = _spelled(texts, asked), _spelled(texts, written)
        copied = traces.named(human[0], said[0]) if encoded.images else traces.copied(sample.kind, human[0], said[0])
        yield from ((said[1][one] - 1, human[1][place], FROM_QUESTION) for one, place in copied)
        for (source, last), (one, copy) in traces.clues(human[0], said[0]):
            yield human[1][source], human[1][last], CLUE
            yield said[1][one] - 1, said[1][copy], CLUE
        yield from ((said[1][one] - 1, said[1][place], CLUE) for one, place in traces.signs(said[0]))
        for one, place in chain(traces.worked(said[0]), traces.ordered(said[0]), traces.goes_on(said[0])):
            looking = said[1][one - 1] if one == len(said[0]) else said[1][one] - 1
            if said[1][place] <= looking:
                yield looking, said[1][place], FROM_THOUGHT


def _numbers(
    sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer, shown: Sequence[int], model: config.Model
) -> Iterator[tuple[int, int, int, int]]:
    """(token that looks, image token in which the number begins, FROM_PICTURE, number) for what is read of a picture:
    one token before each digit, and at the last one, since it must know that it is."""
    reads = sample.think or sample.meta.get("template") in READING
    values: dict[str, Box] = sample.meta.get("values", {}) if reads and encoded.images else {}
    if not values:
        return
    texts = [tokenizer.texts[token] for token in encoded.ids]
    for _, written in _turns(encoded, tokenizer):
        said, at = _spelled(texts, written)
        for one, value in traces.mentioned(said, [value for value in values if len(value) <= NUMBER_LABELS]):
            x, y, w, h = values[value]
            first = (x + w / len(value) / 2, y + h / 2, 0, 0)
            for token in _over(first, encoded, shown, model):
                yield from ((looking, token, FROM_PICTURE, int(value)) for looking in (at[one] - 1, at[one]))


def _turns(encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[tuple[range, range]]:
    """Tokens of what was asked, and of the thought, or where there is none the answer, of each turn."""
    begin, ends = 0, (tokenizer.id(chat.UNTHINK), tokenizer.id(chat.END))
    for on, run in groupby(range(len(encoded.ids)), encoded.trained.__getitem__):
        places = list(run)
        if on:
            start = places[0] + (encoded.ids[places[0]] == tokenizer.id(chat.THINK))
            stop = next((at for at in places if at >= start and encoded.ids[at] in ends), places[-1] + 1)
            yield range(begin, places[0]), range(start + (tokenizer.texts[encoded.ids[start]] == "\n"), stop)
            begin = places[-1] + 1


def _spelled(texts: Sequence[str], tokens: range) -> tuple[str, list[int]]:
    """What tokens read as, and the token of each character."""
    return "".join(texts[at] for at in tokens), [at for at in tokens for _ in texts[at]]


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
