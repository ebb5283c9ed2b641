"""One sample as it is shown: its text in pieces that are trained or not, its pictures, and what is known of it.

Whatever a sample holds is only text here. Control characters and lone surrogates become visible signs, so that no
sample can move a terminal's cursor or break a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lapis import chat
from lapis.data.tokenise import Example
from lapis.types import Sample

Box = tuple[float, float, float, float]
"""(x, y, w, h) in thousandths of a picture."""
STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control characters, signs that turn the direction of writing, and halves of surrogate pairs."""
LEFT_OUT = ("boxes", "box", "values", "sources")
"""Parts of meta that are drawn, or too long to be told."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, a special token, or the place of a picture."""

    text: str
    trained: bool = False
    """The model learns to write it."""
    special: bool = False
    picture: int | None = None
    """Number of the picture that stands here."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample, as it is shown."""

    kind: str
    pieces: tuple[Piece, ...]
    pictures: tuple[bytes, ...] = ()
    """Encoded (PNG, JPEG, WebP)."""
    boxes: tuple[Box, ...] = ()
    """Drawn on the first picture."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Language, source, licence, what an answer is checked by, why it was dropped: name to value."""

    def fact(self, name: str) -> str:
        """A fact; nothing where it is not known."""
        return self.kind if name == "kind" else self.facts.get(name, "")


def clean(text: str) -> str:
    """Text without anything that is not to be seen: control characters as U+2400 signs or U+FFFD."""
    return STRANGE.sub(lambda found: _sign(found[0]), text.replace("\r\n", "\n").replace("\r", "\n"))


def _sign(char: str) -> str:
    return chr(0x2400 + ord(char)) if ord(char) < 0x20 else "\u2421" if char == "\x7f" else "\ufffd"


def of_sample(sample: Sample, more: Mapping[str, Any] | None = None) -> Shown:
    """A sample before it is tokenised; `more` are further facts, such as the reason of a drop."""
    return Shown(
        kind=sample.kind,
        pieces=tuple(_pieces(sample)),
        pictures=tuple(image.data for image in sample.images),
        boxes=tuple(_boxes(sample.meta)),
        facts=_facts(sample, more or {}),
    )


def _facts(sample: Sample, more: Mapping[str, Any]) -> dict[str, str]:
    meta = {name: value for name, value in sample.meta.items() if name not in LEFT_OUT}
    facts = {"id": sample.fingerprint, "lang": sample.lang, "source": sample.source, "licence": sample.licence}
    facts |= {name: _said(value) for name, value in more.items() if value not in (None, "", [])}
    facts |= {"checks": json.dumps(meta, ensure_ascii=False)} if meta else {}
    return {name: clean(value) for name, value in facts.items()}


def _said(value: Any) -> str:
    """A number in three digits, a list without its brackets."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _pieces(sample: Sample) -> Iterator[Piece]:
    """As the chat template has them; what of a sample is trained is its own rule."""
    if sample.document:
        yield Piece(clean(sample.turns[0].text), trained=True)
        yield Piece(chat.END, trained=True, special=True)
        return
    number = 0
    for part in chat.segments(sample.turns, sample.think, sample.budget):
        if part.image is not None:
            yield Piece("", picture=number)
            number += 1
        else:
            yield Piece(clean(part.text), part.trained, part.special)


def _boxes(meta: Mapping[str, Any]) -> Iterator[Box]:
    found: Sequence[Any] = meta.get("boxes") or ([meta["box"]] if meta.get("box") else [])
    for box in found:
        if box is not None:
            x, y, w, h = (float(side) for side in box)
            yield x, y, w, h


def of_example(example: Example, tokenizer: chat.Tokenizer, known: Mapping[str, str] | None = None) -> Shown:
    """A sample of a shard: its very tokens, decoded in stretches that are trained or not; each tile is a picture.

    `known` are facts of the sample that it was made of.
    """
    place, tiles = (tokenizer.id(name) for name in (chat.IMAGE, chat.IMAGE_START))
    special = {tokenizer.id(name) for name in chat.SPECIALS}
    pairs = zip(example.ids.tolist(), example.trained.tolist(), strict=True)
    pieces: list[Piece] = []
    number = 0
    for (trained, alone, one), run in groupby(
        pairs, lambda pair: (pair[1], pair[0] in special, pair[0] * (pair[0] in special))
    ):
        ids = [token for token, _ in run]
        if one == tiles and alone:
            pieces += [Piece("", picture=number + at) for at in range(len(ids))]
            number += len(ids)
        elif not alone:
            pieces.append(Piece(clean(tokenizer.decode(ids)), trained))
        elif one not in (place, tokenizer.id(chat.IMAGE_END)):
            pieces += [Piece(tokenizer.decode([one], specials=True), trained, special=True)] * len(ids)
    facts = {**(known or {}), "tokens": str(len(example.ids)), "trained": str(int(example.trained.sum()))}
    return Shown(example.kind, tuple(pieces), example.tiles, facts=facts)
