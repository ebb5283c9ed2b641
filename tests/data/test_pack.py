"""Packing keeps its budgets, its shares and its caps, and a plan is a pure function that longer plans extend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis import config
from lapis.data import pack as packing
from lapis.types import InputError

KINDS = ("math/arith", "prose", "screen/ground")
MIXTURE = {"math": 0.2, "prose": 0.3, "screen": 0.5}


def corpus(count: int = 900, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count)
    lengths = np.where(kind == 1, rng.integers(20, 400, count), rng.integers(10, 120, count))
    tiles = np.where(kind == 2, rng.integers(1, 4, count), 0)
    return lengths, tiles, kind, kind == 1


def pieces_of(pack: config.Pack, count: int = 900) -> packing.Pieces:
    return packing.cut_pieces(*corpus(count), KINDS, pack)


def plan_of(pack: config.Pack, steps: int, seed: int = 0, epochs: dict[str, int] | None = None) -> packing.Plan:
    return packing.make_plan(pieces_of(pack), KINDS, MIXTURE, epochs or {}, pack, steps, seed)


@settings(deadline=None, max_examples=12)
@given(rows=st.integers(1, 9), row_tokens=st.integers(100, 600), tiles=st.integers(3, 30), seed=st.integers(0, 99))
def test_rows_and_steps_keep_both_budgets(rows: int, row_tokens: int, tiles: int, seed: int) -> None:
    pack = config.Pack(row_tokens, rows, tiles)
    pieces, plan = pieces_of(pack), plan_of(pack, 30, seed)
    assert plan.steps == 30
    for step in range(plan.steps):
        members = [plan.row(step, row) for row in range(rows)]
        assert all(pieces.length[row].sum() <= row_tokens for row in members)
        assert sum(pieces.tiles[row].sum() for row in members) <= tiles


def test_rows_are_full_where_tokens_bind() -> None:
    pack = config.Pack(512, 8, 200)
    pieces, plan = pieces_of(pack), plan_of(pack, 64)
    assert pieces.length[plan.pieces].sum() > 0.97 * 64 * 8 * 512


def test_shares_are_those_of_the_mixture() -> None:
    pack = config.Pack(512, 8, 40)
    pieces, plan = pieces_of(pack), plan_of(pack, 64)
    shares = np.bincount(pieces.kind[plan.pieces], minlength=3) / len(plan.pieces)
    assert shares == pytest.approx([0.2, 0.3, 0.5], abs=0.02)


def test_no_repeat_before_a_pass_ends() -> None:
    pack = config.Pack(512, 8, 40)
    pieces = pieces_of(pack, 6000)
    plan = packing.make_plan(pieces, KINDS, MIXTURE, {}, pack, 64, 0)
    times = np.bincount(plan.pieces, minlength=len(pieces.sample))
    assert max(plan.passes.values()) < 1
    assert times.max() == 1


def test_longer_plans_begin_with_shorter_ones_and_seeds_differ() -> None:
    pack = config.Pack(512, 4, 20)
    short, long = plan_of(pack, 20), plan_of(pack, 90)
    assert all(np.array_equal(short.row(s, r), long.row(s, r)) for s in range(20) for r in range(4))
    assert not np.array_equal(plan_of(pack, 20, seed=1).pieces, short.pieces)


def test_caps_end_the_data_after_whole_passes() -> None:
    pack = config.Pack(512, 8, 40)
    pieces = pieces_of(pack)
    plan = plan_of(pack, 10_000, epochs={"math": 1, "prose": 2, "screen": 3})
    times = np.bincount(plan.pieces, minlength=len(pieces.sample))
    assert [set(times[pieces.kind == kind]) for kind in range(3)] == [{1}, {2}, {3}]
    assert plan.passes == {"math": 1.0, "prose": 2.0, "screen": 3.0}
    assert all(any(len(plan.row(step, row)) for row in range(8)) for step in range(plan.steps))
    sizes = [sum(len(plan.row(step, row)) for row in range(8)) for step in range(plan.steps)]
    assert min(sizes[:-2]) > 4


def test_a_cap_of_one_kind_leaves_the_others_running() -> None:
    pack = config.Pack(512, 8, 40)
    plan = plan_of(pack, 300, epochs={"math/arith": 1})
    assert plan.steps == 300
    assert plan.passes["math/arith"] == 1.0
    assert plan.passes["screen"] > 2


def test_long_documents_are_split_and_long_conversations_left_out() -> None:
    lengths = np.array([1000, 1000, 50, 513, 30])
    tiles = np.array([0, 0, 0, 0, 9])
    kind = np.array([1, 0, 0, 1, 2])
    pieces = packing.cut_pieces(lengths, tiles, kind, kind == 1, KINDS, config.Pack(512, 2, 8))
    assert pieces.sample.tolist() == [0, 0, 2, 3]
    assert pieces.start.tolist() == [0, 512, 0, 0]
    assert pieces.length.tolist() == [512, 488, 50, 512]  # one token over is no piece: nothing follows it
    assert pieces.left_out == {"math/arith": 1, "screen/ground": 1}


def test_a_mixture_without_samples_is_refused() -> None:
    pack = config.Pack(512, 8, 40)
    with pytest.raises(InputError, match="no samples of caption"):
        packing.make_plan(pieces_of(pack), KINDS, {"caption": 1.0}, {}, pack, 5, 0)


def test_pack_once_places_everything_once() -> None:
    pack = config.Pack(512, 3, 8)
    pieces = pieces_of(pack, 200)
    steps = list(packing.pack_once(pieces, pack))
    placed = [piece for step in steps for row in step for piece in row]
    assert sorted(placed) == list(range(len(pieces.sample)))
    assert all(sum(pieces.tiles[row].sum() for row in step) <= 8 for step in steps)


def test_a_saved_plan_comes_back(tmp_path: Path) -> None:
    plan = plan_of(config.Pack(512, 4, 20), 9)
    packing.save_plan(tmp_path / "a" / "plan.npz", plan)
    again = packing.load_plan(tmp_path / "a" / "plan.npz")
    assert np.array_equal(again.pieces, plan.pieces)
    assert (again.steps, again.passes) == (9, plan.passes)
