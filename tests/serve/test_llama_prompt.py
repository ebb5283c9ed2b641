"""Prompts for llama-server: ids where there are no images, else text that reads as those ids, and tiles as they are."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image as Picture

from lapis import chat, config
from lapis.model import anyres
from lapis.serve.llama_prompt import APART, prompt_of
from lapis.types import Image, InputError, Request, Text, Turn

MARKER = "<__x1__>"


def screen(width: int, height: int) -> Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG")
    return Image(buffer.getvalue(), width, height)


def read(text: str, tokenizer: chat.Tokenizer) -> list[int]:
    """The ids that llama-server makes of such a text: special tokens by name, tiles at markers, the rest as text."""
    names = {**{name: [tokenizer.id(name)] for name in chat.SPECIALS}, MARKER: chat.image_ids(tokenizer, 1)}
    for name, ids in names.items():
        if name in text:
            before, _, after = text.partition(name)
            return [*read(before, tokenizer), *ids, *read(after, tokenizer)]
    return tokenizer.encode(text) if text else []


def test_text_goes_as_ids_with_the_reply_behind(tokenizer: chat.Tokenizer, shape: config.Model) -> None:
    request = Request((Turn("user", (Text("1</s>?"),)),), think=True, budget=9, show_budget=True)
    prompt = prompt_of(request, tokenizer, shape, MARKER)
    ids = chat.encode_prompt(request.turns, True, 9, tokenizer, lambda _: 0).ids
    assert prompt.body([7, 8], tokenizer) == [*ids, 7, 8]


def test_text_with_images_reads_as_our_ids(tokenizer: chat.Tokenizer, shape: config.Model) -> None:
    image, typed = screen(112, 56), f"What{MARKER[:3]} </s> is [|AI|]:"
    turns = (Turn("system", (Text("Be kind."),)), Turn("user", (Text(typed), image, Text("it?"), screen(56, 56))))
    prompt = prompt_of(Request(turns, think=True), tokenizer, shape, MARKER)
    written = [tokenizer.id(chat.THINK), *tokenizer.encode("\nSo </s>"), tokenizer.id(chat.UNTHINK)]
    body = prompt.body(written, tokenizer)
    ours = [*prompt.ids, *written[:-1], *tokenizer.encode(APART), written[-1]]
    found = read(body["prompt_string"], tokenizer)
    assert found[: len(prompt.ids)] == [*prompt.ids] and sorted(found) == sorted(ours)
    assert [found.count(tokenizer.id(name)) for name in (chat.END, chat.AI, chat.HUMAN)] == [0, 1, 1]
    assert prompt.images == 2


def test_tiles_are_those_of_training_to_the_pixel(tokenizer: chat.Tokenizer, shape: config.Model) -> None:
    image = screen(130, 70)
    prompt = prompt_of(Request((Turn("user", (image,)),)), tokenizer, shape, MARKER)
    cut = anyres.cut(anyres.decode(image), shape.anyres, shape.vit.tile)
    sent = [np.asarray(Picture.open(io.BytesIO(base64.b64decode(tile)))) for tile in prompt.tiles]
    assert len(sent) > 1 and prompt.text.count(MARKER) == len(sent)
    np.testing.assert_array_equal(np.stack(sent), cut)


def test_images_that_cannot_be_are_refused(tokenizer: chat.Tokenizer, shape: config.Model) -> None:
    with pytest.raises(InputError, match="reads text only"):
        prompt_of(Request((Turn("user", (screen(56, 56),)),)), tokenizer, None, MARKER)
    with pytest.raises(InputError, match="not a picture"):
        prompt_of(Request((Turn("user", (Image(b"GIF", 9, 9),)),)), tokenizer, shape, MARKER)
