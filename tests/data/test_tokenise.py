"""The tokenizer's promises, and labels against a naive oracle."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis import chat, config
from lapis.data import tokenise
from lapis.model.adapter import unshuffle
from lapis.types import IGNORE, Image, InputError, Sample, Text, Turn
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
    labels = np.frombuffer(made.cells[0], np.int32).reshape(2, 2, tokenise.LABELS)
    lamp = {tokenizer.encode(character)[0] for character in "lamp"}
    number = {tokenizer.encode(character)[0] for character in "42"}
    assert set(labels[0, 0]) - {IGNORE} and set(labels[0, 0]) - {IGNORE} <= lamp
    assert set(labels[1, 0]) - {IGNORE} and set(labels[1, 0]) - {IGNORE} <= number
    assert (labels[:, 1] == IGNORE).all()


def test_quarters_stand_in_the_adapters_order() -> None:
    """The label of each patch goes the way that the adapter takes the patch's features."""
    vit = config.ViT(width=8, layers=1, heads=1, mlp=8, patch=14, tile=70)
    corner = np.array([[column * 14.0, row * 14.0] for row in range(5) for column in range(5)])
    ids = np.arange(25, dtype=np.int32) + 100
    found = tokenise.quarters(ids, np.concatenate([corner, corner + 14], axis=1), vit, 2)
    features = unshuffle(torch.arange(25.0).reshape(1, 25, 1) + 100, 2)[0].int().numpy()
    assert np.array_equal(found, np.where(features == 0, IGNORE, features))


def naive(ids: np.ndarray, boxes: np.ndarray, grid: int, patch: int) -> list[int]:
    """The rule of `centred`, patch by patch and box by box."""
    out = []
    for place in range(grid * grid):
        middle, top = (place % grid + 0.5) * patch, place // grid * patch
        best, label = 0.0, IGNORE
        for number, (x0, y0, x1, y1) in zip(ids.tolist(), boxes.tolist(), strict=True):
            down = min(y1, top + patch) - max(y0, top)
            enough = down >= 0.25 * min(y1 - y0, patch) and y1 - y0 >= tokenise.LEAST_HEIGHT
            if x0 <= middle < x1 and enough and down > best:
                best, label = down, number
        out.append(label)
    return out


@pytest.mark.parametrize("seed", range(8))
def test_labels_equal_the_naive_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 30))
    corner, size = rng.integers(-20, 90, (count, 2)), rng.integers(2, 60, (count, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(float)
    ids = rng.integers(12, 30, count).astype(np.int32)
    assert tokenise.centred(ids, boxes, 6, 14).tolist() == naive(ids, boxes, 6, 14)


def test_letters_of_uneven_width_stand_where_they_were_measured(tokenizer: chat.Tokenizer) -> None:
    cutter = tokenise.Cutter(tokenizer, world.MODEL)
    words = [("Wii", 10.0, 0.0, 20.0, 12.0)]
    _, measured = tokenise.rectangles(words, [(22.0, 26.0, 30.0)], cutter)
    _, even = tokenise.rectangles(words, [()], cutter)
    assert measured[:, 0].tolist() == [10.0, 22.0, 26.0] and measured[:, 2].tolist() == [22.0, 26.0, 30.0]
    assert even[:, 2].tolist() == pytest.approx([10 + 20 / 3, 10 + 40 / 3, 30.0])


def test_a_broken_picture_is_named(tokenizer: chat.Tokenizer) -> None:
    broken = Image(b"no picture", 56, 56)
    turns = (Turn("user", (broken, Text("?"))), Turn("assistant", (Text("!"),)))
    with pytest.raises(InputError, match="page 7"):
        tokenise.example(Sample("screen/qa", "en", "page 7", "l", turns), tokenizer, world.MODEL)
