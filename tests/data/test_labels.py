"""Dense labels: each patch its letter, each image token the text tokens over it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lapis import chat
from lapis.data import labels, tokenise
from lapis.data.labels import END, Boxes, Written
from lapis.model.adapter import unshuffle
from lapis.model.anyres import Placement
from lapis.types import IGNORE, NUMBER_LABELS, PATCH_LABELS
from tests.data import world


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    return tokenise.train_tokenizer(["red lamp lamp " * 50], 400, folder, world.MODEL.tokens_per_tile)


def shown(ids: np.ndarray, boxes: np.ndarray) -> Boxes:
    return Boxes(ids.astype(np.int32), boxes.astype(float).reshape(-1, 4))


def drawn(seed: int) -> Boxes:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 30))
    corner, size = rng.integers(-20, 90, (count, 2)), rng.integers(2, 60, (count, 2))
    return shown(rng.integers(12, 30, count), np.concatenate([corner, corner + size], axis=1))


def test_quarters_stand_in_the_adapters_order() -> None:
    """The label of each patch goes the way that the adapter takes the patch's features."""
    corner = np.array([[column * 14.0, row * 14.0] for row in range(5) for column in range(5)])
    pieces = shown(np.arange(25) + 100, np.concatenate([corner, corner + 14], axis=1))
    found = labels.quarters(pieces, 5, 14, 2)
    features = unshuffle(torch.arange(25.0).reshape(1, 25, 1) + 100, 2)[0].int().numpy()
    assert np.array_equal(found, np.where(features == 0, IGNORE, features))


def near(pieces: Boxes, grid: int, patch: int) -> list[int]:
    """The rule of `centred`, patch by patch and box by box."""
    out = []
    for place in range(grid * grid):
        middle, top = (place % grid + 0.5) * patch, place // grid * patch
        best, label = 0.0, IGNORE
        for number, (x0, y0, x1, y1) in zip(pieces.ids.tolist(), pieces.boxes.tolist(), strict=True):
            down = min(y1, top + patch) - max(y0, top)
            if x0 <= middle < x1 and down >= 0.25 * min(y1 - y0, patch) and down > best:
                best, label = down, number
        out.append(label)
    return out


def over(pieces: Boxes, grid: int, cell: int) -> list[list[int]]:
    """The rule of `covered`, cell by cell and box by box."""
    out = []
    for place in range(grid * grid):
        left, top = place % grid * cell, place // grid * cell
        areas = []
        for order, (number, (x0, y0, x1, y1)) in enumerate(
            zip(pieces.ids.tolist(), pieces.boxes.tolist(), strict=True)
        ):
            across, down = min(x1, left + cell) - max(x0, left), min(y1, top + cell) - max(y0, top)
            if across >= 0.25 * min(x1 - x0, cell) and down >= 0.25 * min(y1 - y0, cell) and min(across, down) > 0:
                areas.append((-across * down, order, number))
        found = [number for _, _, number in sorted(areas)][: labels.TOKEN_LABELS]
        out.append(found + [IGNORE] * (labels.TOKEN_LABELS - len(found)))
    return out


@pytest.mark.parametrize("seed", range(8))
def test_labels_equal_the_naive_rules(seed: int) -> None:
    pieces = drawn(seed)
    assert labels.centred(pieces, 6, 14).tolist() == near(pieces, 6, 14)
    assert labels.covered(pieces, 3, 28).tolist() == over(pieces, 3, 28)


def test_letters_of_uneven_width_stand_where_they_were_measured() -> None:
    words = [("Wii", 10.0, 0.0, 20.0, 12.0)]
    measured = labels.characters(words, [(22.0, 26.0, 30.0)], ord).boxes
    assert measured[:, 0].tolist() == [10.0, 22.0, 26.0] and measured[:, 2].tolist() == [22.0, 26.0, 30.0]
    assert labels.characters(words, (), ord).boxes[:, 2].tolist() == pytest.approx([10 + 20 / 3, 10 + 40 / 3, 30.0])


def test_a_word_behind_another_on_its_line_begins_with_a_space(tokenizer: chat.Tokenizer) -> None:
    words = [("red", 0.0, 0.0, 18.0, 12.0), ("lamp", 22.0, 0.0, 24.0, 12.0), ("lamp", 0.0, 20.0, 24.0, 12.0)]
    found = labels.tokens(words, (), tokenizer.pieces)
    assert tokenizer.decode(found.ids.tolist()) == "red lamplamp"
    assert found.boxes[:, 0].min() == 0 and found.boxes[:, 2].max() == pytest.approx(46.0)


def test_too_small_text_gives_no_label(tokenizer: chat.Tokenizer) -> None:
    named = labels.tokens([("lamp", 0.0, 0.0, 40.0, 12.0)], (), tokenizer.pieces)
    counted = labels.numbers([("42", 0.0, 0.0, 40.0, 12.0)], ())
    whole, half = (Placement(scale=scale, dx=0.0, dy=0.0) for scale in (1.0, 0.5))
    found = labels.of_tile(Written(named, counted, named), whole, world.MODEL)
    assert (found[:, PATCH_LABELS + NUMBER_LABELS :] != IGNORE).any() and (found[:, PATCH_LABELS] != IGNORE).any()
    assert (labels.of_tile(Written(named, counted, named), half, world.MODEL) == IGNORE).all()


def test_a_number_is_told_where_its_first_digit_stands() -> None:
    """By its value; "12:30" are two numbers, a longer one is none, and of two in one cell the first counts."""
    words = [("$107", 0.0, 0.0, 40.0, 12.0), ("12:30", 50.0, 20.0, 50.0, 12.0), ("20261", 0.0, 60.0, 50.0, 12.0)]
    words += [("7", 20.0, 4.0, 8.0, 12.0)]
    found = labels.numbers(words, [(10.0, 20.0, 30.0, 40.0), (60.0, 70.0, 80.0, 90.0, 100.0), (), ()])
    assert found.ids.tolist() == [107, 12, 30, 7]
    assert found.boxes[:3].tolist() == [[10, 0, 20, 12], [50, 20, 60, 32], [80, 20, 90, 32]]
    told = labels.begun(found, 3, 28)
    assert told[0].tolist() == [1, 0, 7] and told[1].tolist() == [1, 2, END] and told[5].tolist() == [IGNORE] * 3
    assert told[3].tolist() == [IGNORE] * 3 and (told[6:] == IGNORE).all() and told[2].tolist() == [IGNORE] * 3
