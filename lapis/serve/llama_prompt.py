"""Prompts as llama-server takes them: token ids, or text with tiles.

Unusual: a prompt without images goes as the ids of `chat.encode_prompt`, so there is nothing to agree on. One with
images can only go as text with a marker for each tile, and llama-server reads special tokens in it. So a name of one
that a user typed gets a character without width inside: it stays text, as everywhere, at the price of other ids than
the torch engine's for this one word. Tiles are cut here, as training did, and go as BMP, which costs next to nothing.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as Picture

from lapis import chat, config
from lapis.model import anyres
from lapis.types import Image, InputError, Part, Request, Text, Turn

APART = "\u200b"
"""Zero-width space."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request's prompt: its ids, and what stands for them where it has images."""

    ids: tuple[int, ...]
    text: str = ""
    tiles: tuple[str, ...] = ()
    """BMP files in base64."""
    images: int = 0

    def body(self, written: Sequence[int], tokenizer: chat.Tokenizer) -> Any:
        """llama-server's `prompt`: this one and the tokens of the reply so far.

        Behind images those are text again: ids that the tokenizer would not choose for their text come out as others.
        """
        if not self.tiles:
            return [*self.ids, *written]
        return {"prompt_string": self.text + _spoken(written, tokenizer), "multimodal_data": list(self.tiles)}


def prompt_of(request: Request, tokenizer: chat.Tokenizer, shape: config.Model | None, marker: str) -> Prompt:
    """The request's prompt; `marker` is llama-server's own, which nobody can guess.

    Raises InputError where a text model gets an image, or for one that cannot be decoded.
    """
    images = [image for turn in request.turns for image in turn.images]
    if images and shape is None:
        raise InputError("image: this model reads text only")
    turns = tuple(map(_apart, request.turns)) if images else request.turns
    shown = request.budget if request.show_budget and request.budget >= 0 else None

    def count(image: Image) -> int:
        assert shape is not None
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)

    encoded = chat.encode_prompt(turns, request.think, shown, tokenizer, count)
    if shape is None or not images:
        return Prompt(tuple(encoded.ids))
    pieces = chat.segments(turns, request.think, shown, reply=True)
    text = "".join(marker * count(piece.image) if piece.image else piece.text for piece in pieces)
    tiles = tuple(tile for image in images for tile in cut(image, shape))
    return Prompt(tuple(encoded.ids), text, tiles, len(images))


def cut(image: Image, shape: config.Model) -> list[str]:
    """An image's tiles as BMP files in base64. Raises InputError for one that cannot be decoded."""
    return [_bmp(tile_SS3) for tile_SS3 in anyres.cut(anyres.decode(image), shape.anyres, shape.vit.tile)]


def _bmp(tile_SS3: np.ndarray) -> str:
    out = io.BytesIO()
    Picture.fromarray(tile_SS3).save(out, "BMP")
    return base64.b64encode(out.getvalue()).decode()


def _apart(turn: Turn) -> Turn:
    """A turn in whose text no special token can be read; neighbouring texts are one, as in the prompt."""
    parts: list[Part] = []
    for part in turn.parts:
        if isinstance(part, Text) and parts and isinstance(parts[-1], Text):
            parts[-1] = Text(parts[-1].text + part.text)
        else:
            parts.append(part)
    return dataclasses.replace(turn, parts=tuple(Text(apart(p.text)) if isinstance(p, Text) else p for p in parts))


def apart(text: str) -> str:
    """Text with every special token's name broken by a character without width."""
    for name in chat.SPECIALS:
        text = text.replace(name, name[0] + APART + name[1:])
    return text


def _spoken(written: Sequence[int], tokenizer: chat.Tokenizer) -> str:
    """The reply so far as text: its own marks as such, everything else as plain text."""
    out, plain = [], list[int]()
    marks = {tokenizer.id(name): name for name in (chat.THINK, chat.UNTHINK)}
    for token in written:
        if token in marks:
            out += [apart(tokenizer.decode(plain)), marks[token]]
            plain = []
        else:
            plain.append(token)
    return "".join([*out, apart(tokenizer.decode(plain))])
