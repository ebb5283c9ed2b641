"""Where a model must have looked for what it writes: image tokens for a point or a number, words for what is copied.

A sample's `meta["boxes"]` holds the box of each point that is written, `(123,045)` or an action's coordinate, in the
order of its turns, or None where nothing is pointed at. The token before a point's first digit is the one that looks;
the middle of the box is what it then says. `meta["values"]` holds the boxes
of numbers that a picture shows: whoever names one first looks at where it begins (the image token there says all of it,
labels.py), one token before each digit and before what follows. A worked thought looks, one token before whatever it
copies, at what it copies, and at what tells it what comes next (traces.py). A name that stands before a point is looked
for by each of its tokens, so that pointing does not hang on the last one alone. What a plan reads is numbered in the
question and in the plan alike, so that the next thing to read is found by its place in the order.

Shape legend: L looks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
POINT = re.compile(r"\((?=\d{3},\d{3})|\"coordinate2?\":\[(?=\d)")
"""What stands before a point's first digit."""
COLUMNS = 4
"""Numbers of a look."""
FROM_QUESTION, FROM_THOUGHT, FROM_PICTURE, CLUE, NAME, ORDER = -1, -2, -3, -4, -5, -6
"""In the place of a point: where what is copied stands, that the look is at what tells how to go on, that it is at a
name of the picture, or that it is none, but a token that belongs to a line of a plan."""
OWN = (traces.worked, traces.ordered, traces.goes_on)
"""What a thought reads of itself."""
COPYING = ("math/", "screen/math", "screen/list", "screen/ground", "screen/act", "long/")
"""Kinds whose thoughts or answers copy."""
READING = ("screen/read", "screen/list")
"""Templates whose answers, as thoughts do, show a number as it stands in the picture."""


def looks(sample: Sample, encoded: chat.Encoded, tokenizer: chat.Tokenizer, model: config.Model) -> Ints:
    """[L, 4]: position of a token that looks, position of a token that it may look at, and for a point x and y of the
    box's middle in thousandths, else FROM_QUESTION, FROM_THOUGHT, CLUE or NAME twice, or FROM_PICTURE and the number
    that is read, or ORDER and the number of a line; by looking token.

    Raises ValueError where a sample has not as many points as boxes.
    """
    boxes: Sequence[Box | None] = sample.meta.get("boxes", ()) if encoded.images else ()
    places = zip(_points(encoded, tokenizer), boxes, strict=True) if boxes else ()
    points = {at: box for at, box in places if box}
    copies = sample.kind.startswith(COPYING)
    turns = list(_turns(encoded, tokenizer, sample.kind == "long/needle")) if points or copies else []
    shown = np.flatnonzero(np.asarray(encoded.ids) == tokenizer.id(chat.IMAGE)).tolist()

    def over(box: Box) -> list[int]:
        """Positions of the image tokens over a box of the first picture."""
        return [shown[cell] for cell in covered(box, encoded.images[0], model)]

    found = {
        (at, token, int(x + w / 2), int(y + h / 2))
        for at, (x, y, w, h) in points.items()
        for token in over((x, y, w, h))
    }
    found |= {(at, token, NAME, NAME) for at, box in _names(sample, turns, points) for token in over(box)}
    if copies:
        found |= {(*read, read[-1]) for read in _copies(sample, turns)}
        found |= {(at, at, ORDER, number) for at, number in _ordered(sample, turns).items()}
        found |= {(at, token, FROM_PICTURE, value) for at, box, value in _numbers(sample, turns) for token in over(box)}
    return np.asarray(sorted(found), np.int32).reshape(-1, COLUMNS)


def _points(encoded: chat.Encoded, tokenizer: chat.Tokenizer) -> Iterator[int]:
    """Positions before the first digit of every point that is trained, however its digits are cut."""
    texts = [tokenizer.texts[token] if on else "" for token, on in zip(encoded.ids, encoded.trained, strict=True)]
    said = _Spelled.of(texts, range(len(texts)))
    return (said.before(point.end()) for point in POINT.finditer(said.text))


def _names(sample: Sample, turns: Sequence[Turn], points: Mapping[int, Box]) -> Iterator[tuple[int, Box]]:
    """Positions of the tokens of a name before a point, each with where the picture shows it; of names that are written
    there."""
    for _, said in turns:
        for name in traces.pointing(said.text):
            box = points.get(said.at[name.end()])
            if box and _written(name[1], box, sample):
                yield from ((position, box) for position in sorted({*said.at[name.start(1) : name.end(1)]}))


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


def _copies(sample: Sample, turns: Sequence[Turn]) -> Iterator[tuple[int, int, int]]:
    """(token that looks, token that it reads, where that stands) for what a thought copies, and what tells it how to
    go on."""
    for asked, said in turns:
        pair = asked.text, said.text
        words = chain(traces.copied(sample.kind, *pair), traces.ended(*pair))
        copied = traces.named(*pair) if sample.images else words
        yield from ((said.before(one), asked.at[place], FROM_QUESTION) for one, place in copied)
        for (source, last), (one, copy) in traces.clues(*pair):
            yield asked.at[source], asked.at[last], CLUE
            yield said.before(one), said.at[copy], CLUE
        yield from ((said.before(one), said.at[place], CLUE) for one, place in traces.signs(said.text))
        for (digit, last), (one, place) in traces.places(*pair) if sample.kind == "long/needle" else ():
            yield asked.at[digit], asked.at[last], CLUE
            yield said.before(one), asked.at[place], CLUE
        for one, place in chain.from_iterable(trace(said.text) for trace in OWN):
            if said.at[place] <= said.before(one):
                yield said.before(one), said.at[place], FROM_THOUGHT


def _ordered(sample: Sample, turns: Sequence[Turn]) -> dict[int, int]:
    """By token, the line of the plan for which it is read, or which it writes next; of questions told as text."""
    found = dict[int, int]()
    for asked, said in () if sample.images else turns:
        for (one, place), number in traces.numbered(sample.kind, asked.text, said.text):
            found.setdefault(asked.at[place], number)
            found.setdefault(said.before(one), number)
    return found


def _numbers(sample: Sample, turns: Sequence[Turn]) -> Iterator[tuple[int, Box, int]]:
    """(token that looks, box of no size where the number begins, number) for what is read of a picture: one token
    before each digit, and at the last one, since it must know that it is."""
    reads = sample.think or sample.meta.get("template") in READING
    values: dict[str, Box] = sample.meta.get("values", {}) if reads and sample.images else {}
    short = [value for value in values if len(value) <= NUMBER_LABELS]
    for _, said in turns if short else ():
        for one, value in traces.mentioned(said.text, short):
            x, y, w, h = values[value]
            first = (x + w / len(value) / 2, y + h / 2, 0, 0)
            yield from ((looking, first, int(value)) for looking in (said.before(one), said.at[one]))


@dataclass(frozen=True, slots=True)
class _Spelled:
    """What a run of tokens reads as."""

    text: str
    at: list[int]
    """The token of each character."""

    @classmethod
    def of(cls, texts: Sequence[str], tokens: Sequence[int]) -> _Spelled:
        return cls("".join(texts[at] for at in tokens), [at for at in tokens for _ in texts[at]])

    def before(self, place: int) -> int:
        """The token that is followed by the one of a character; of the text's end, the last one."""
        return self.at[place] - 1 if place < len(self.at) else self.at[-1]


Turn = tuple[_Spelled, _Spelled]
"""What was asked, and the thought, or where there is none the answer."""


def _turns(encoded: chat.Encoded, tokenizer: chat.Tokenizer, over_all: bool) -> Iterator[Turn]:
    """Each turn with its own question, or with all that was asked up to there, where every turn asks of one text."""
    texts = [tokenizer.texts[token] for token in encoded.ids]
    ends, asked = (tokenizer.id(chat.UNTHINK), tokenizer.id(chat.END)), list[int]()
    for on, run in groupby(range(len(encoded.ids)), encoded.trained.__getitem__):
        places = list(run)
        if not on:
            asked = [*asked, *places] if over_all else places
        else:
            start = places[0] + (encoded.ids[places[0]] == tokenizer.id(chat.THINK))
            start += texts[start] == "\n"
            stop = next((at for at in places if at >= start and encoded.ids[at] in ends), places[-1] + 1)
            yield _Spelled.of(texts, asked), _Spelled.of(texts, range(start, stop))


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
