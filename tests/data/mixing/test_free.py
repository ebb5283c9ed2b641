"""Weights are found for entries of text alone; what has pictures keeps its own."""

from __future__ import annotations

import numpy as np
import pytest

from lapis.data.mixing.free import free
from lapis.data.pack import Pieces
from lapis.types import InputError

KINDS = ("math/arith", "math/word", "prose", "screen/ground", "screen/told")


def pieces() -> Pieces:
    """Four pieces of each kind, of 10, 20, 100, 50 and 40 tokens; `screen/ground` has a tile each."""
    kind = np.repeat(np.arange(5), 4)
    length = np.array([10, 20, 100, 50, 40])[kind]
    return Pieces(np.arange(20), np.zeros(20, int), length, (kind == 3).astype(int), kind, {})


def test_entries_with_pictures_stay_and_the_others_share_their_weight() -> None:
    mixture = {"prose": 0.2, "math": 0.3, "screen/ground": 0.4, "screen/told": 0.1, "caption": 0.5}
    found = free(mixture, pieces(), KINDS, "reason")
    assert found.kinds == ("math/arith", "math/word", "prose", "screen/told")
    assert found.kept == {"screen/ground": 0.4, "caption": 0.5} and found.share == pytest.approx(0.6)
    assert found.tokens == {"math/arith": 40, "math/word": 80, "prose": 400, "screen/told": 160}
    made = found.mixture([0.25, 0.25, 0.5, 0.0])
    assert sum(made[kind] for kind in found.kinds if kind in made) == pytest.approx(0.6, abs=1e-5)
    assert made["math/arith"] == pytest.approx(2 * made["math/word"], rel=1e-4)
    assert "screen/told" not in made and made["screen/ground"] == 0.4
    assert found.weights([0.25] * 4)["prose"] == pytest.approx(0.01 / (0.1 + 0.05 + 0.01 + 0.025))


def test_an_entry_that_has_pictures_among_its_kinds_stays_whole() -> None:
    found = free({"prose": 0.5, "math/word": 0.2, "screen": 0.3}, pieces(), KINDS, "s")
    assert found.kinds == ("math/word", "prose") and found.kept == {"screen": 0.3}


def test_less_than_two_kinds_is_told() -> None:
    with pytest.raises(
        InputError, match=r"stages\.s\.mixture: expected two kinds of text or more to weigh, found prose"
    ):
        free({"prose": 1.0, "screen": 1.0}, pieces(), KINDS, "s")
