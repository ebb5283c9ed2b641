"""Prefixes, and the order in which kinds come."""

from __future__ import annotations

import numpy as np

from lapis.data.mixture import Mixture, Stream, belongs, match


def test_prefixes_end_at_slashes_and_the_longest_wins() -> None:
    assert belongs("screen/ground", "screen")
    assert not belongs("screens", "screen")
    assert match("screen/ground", {"screen": 1, "screen/ground": 2}) == "screen/ground"
    assert match("screen/ocr", {"screen": 1, "screen/ground": 2}) == "screen"
    assert match("prose", {"screen": 1}) is None


def test_any_stretch_holds_the_shares() -> None:
    streams = [Stream("a", 3.0, np.arange(0, 50), float("inf")), Stream("b", 1.0, np.arange(50, 100), float("inf"))]
    order = Mixture(streams, 0)
    drawn = np.concatenate([order.draw(7) for _ in range(60)])
    for start in range(0, len(drawn) - 40, 13):
        assert abs((drawn[start : start + 40] < 50).sum() - 30) <= 2


def test_each_pass_is_whole_and_in_a_new_order() -> None:
    order = Mixture([Stream("a", 1.0, np.arange(20), 3.0)], 0)
    drawn = np.concatenate([order.draw(9) for _ in range(9)])
    passes = drawn.reshape(3, 20)
    assert all(sorted(one) == list(range(20)) for one in passes.tolist())
    assert passes[0].tolist() != passes[1].tolist()
    assert len(order.draw(5)) == 0
