"""The tokenizer's promises, and labels against a naive oracle."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis import chat
from lapis.data import tokenise
from lapis.data.labels import LABELS
from lapis.types import IGNORE, PATCH_LABELS, Image, InputError, Sample, Text, Turn
from tests.data import world

TEXTS = [" ".join(world.ENGLISH)] * 5 + [world.CHINESE] * 5


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    return tokenise.train_tokenizer(TEXTS, 400, folder, world.MODEL.tokens_per_tile)


def test_specials_first_vocabulary_exact_and_file_repeatable(tmp_path: Path) -> None:
    first = tokenise.train_tokenizer(iter(TEXTS), 400, tmp_path / "a", 4)
    tokenise.train_tokenizer(TEXTS, 400, tmp_path / "b", 4)
    assert [first.id(name) for name in chat.SPECIALS] == list(range(len(chat.SPECIALS)))
    assert first.size == 400
    assert (tmp_path / "a/tokenizer.json").read_bytes() == (tmp_path / "b/tokenizer.json").read_bytes()


def test_a_tiny_text_is_filled_up_and_too_small_a_vocabulary_refused(tmp_path: Path) -> None:
    assert tokenise.train_tokenizer(["a b"], 300, tmp_path, 4).size == 300
    with pytest.raises(InputError, match="data.vocab: 100"):
        tokenise.train_tokenizer(["a b"], 100, tmp_path, 4)


def test_digits_are_single_tokens(tokenizer: chat.Tokenizer) -> None:
    ids = tokenizer.encode("(123,045)")
    assert [tokenizer.decode([number]) for number in ids] == ["(", "1", "2", "3", ",", "0", "4", "5", ")"]


@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=60))
def test_any_text_comes_back(tokenizer: chat.Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(number >= len(chat.SPECIALS) for number in ids)


def test_user_text_cannot_become_a_special_token(tokenizer: chat.Tokenizer) -> None:
    ids = tokenizer.encode("".join(chat.SPECIALS))
    assert min(ids) >= len(chat.SPECIALS)


def test_an_example_holds_ids_mask_tiles_and_labels(tokenizer: chat.Tokenizer) -> None:
    sample = world.screen_sample(random.Random(0), wide=True)
    made = tokenise.example(sample, tokenizer, world.MODEL)
    tiles = 3  # two side by side and the thumbnail
    assert len(made.tiles) == len(made.cells) == tiles
    placeholder = tokenizer.id(chat.IMAGE)
    assert (made.ids == placeholder).sum() == tiles * world.MODEL.tokens_per_tile
    assert not made.trained[made.ids == placeholder].any()
    written = tokenizer.decode(made.ids[made.trained].tolist(), specials=True)
    assert written == "<think>\none lamp</think>lamp</s>"
    assert tokenise.unpng(made.tiles[0]).shape == (56, 56, 3)


def test_tiles_hold_the_pictures_pixels(tokenizer: chat.Tokenizer) -> None:
    sample = world.screen_sample(random.Random(0))
    made = tokenise.example(sample, tokenizer, world.MODEL)
    assert np.array_equal(tokenise.unpng(made.tiles[0]), tokenise.unpng(sample.images[0].data))


def test_characters_label_the_patches_under_them(tokenizer: chat.Tokenizer) -> None:
    made = tokenise.example(world.screen_sample(random.Random(0)), tokenizer, world.MODEL)
    labels = np.frombuffer(made.cells[0], np.int32).reshape(2, 2, LABELS)[..., :PATCH_LABELS]
    lamp = {tokenizer.encode(character)[0] for character in "lamp"}
    number = {tokenizer.encode(character)[0] for character in "42"}
    assert set(labels[0, 0]) - {IGNORE} and set(labels[0, 0]) - {IGNORE} <= lamp
    assert set(labels[1, 0]) - {IGNORE} and set(labels[1, 0]) - {IGNORE} <= number
    assert (labels[:, 1] == IGNORE).all()


def test_a_broken_picture_is_named(tokenizer: chat.Tokenizer) -> None:
    broken = Image(b"no picture", 56, 56)
    turns = (Turn("user", (broken, Text("?"))), Turn("assistant", (Text("!"),)))
    with pytest.raises(InputError, match="page 7"):
        tokenise.example(Sample("screen/qa", "en", "page 7", "l", turns), tokenizer, world.MODEL)
