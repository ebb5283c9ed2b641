"""Rows are dealt evenly: costs against counted FLOPs, deals against the best of all, and a heavy tail of images."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.parts.rows import costs_of, heavy_tailed
from lapis import config
from lapis.data import deal as dealing
from lapis.data import pack as packing
from lapis.data.deal import Cost, cost_of, deal, spread
from lapis.model.vlm import Lapis
from lapis.recipes import blue3b
from lapis.types import InputError
from tests.data import world


def counted(work: object, *inputs: torch.Tensor) -> int:
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work(*inputs)  # type: ignore[operator]
    return counter.get_total_flops()


def test_costs_are_the_flops_of_the_network() -> None:
    cost, network = cost_of(world.MODEL), Lapis(world.MODEL)
    assert cost.tile == counted(network.features, torch.zeros(1, 56, 56, 3, dtype=torch.uint8))
    shape = world.DECODER
    for tokens in (16, 48):
        ids, places = torch.zeros(1, tokens, dtype=torch.int64), torch.arange(tokens)[None]
        documents = torch.zeros(1, tokens, dtype=torch.int32)
        hidden = counted(
            lambda *given: network.decoder.tapped(*given, ()), network.decoder.embed(ids), places, documents
        )
        logits = 2 * shape.width * shape.vocab * tokens
        seen = cost.pair * tokens * tokens  # the counted kernel computes both halves, what is seen and what is not
        assert hidden + logits == cost.token * tokens + 2 * seen


def test_a_rows_cost_is_the_sum_over_its_documents() -> None:
    pieces = packing.Pieces(*(np.array(column) for column in ([0, 1, 2], [0, 0, 0], [3, 5, 7], [0, 1, 2], [0] * 3)), {})
    plan = packing.Plan(np.array([0, 1, 2, 1]), np.array([0, 2, 2, 3, 4]), 2, {})
    cost = Cost(token=10, pair=1, tile=1000)
    assert cost.rows(pieces, plan, 0).tolist() == [30 + 9 + 50 + 25 + 1000, 0]
    assert cost.rows(pieces, plan, 1).tolist() == [70 + 49 + 2000, 50 + 25 + 1000]


@settings(deadline=None, max_examples=60)
@given(ranks=st.integers(1, 9), each=st.integers(1, 12), seed=st.integers(0, 999))
def test_every_row_is_dealt_once_and_all_ranks_get_as_many(ranks: int, each: int, seed: int) -> None:
    rows_KM = deal(np.random.default_rng(seed).integers(0, 50, ranks * each), ranks)
    assert rows_KM.shape == (ranks, each)
    assert sorted(rows_KM.ravel().tolist()) == list(range(ranks * each))
    assert (np.diff(rows_KM, axis=1) > 0).all()


def test_one_rank_has_all_rows_in_their_order() -> None:
    assert deal(np.array([5, 1, 9, 9, 2]), 1).tolist() == [[0, 1, 2, 3, 4]]


def best(costs_R: np.ndarray) -> int:
    """The dearer half's cost in the best of all deals to two ranks."""
    total, half = int(costs_R.sum()), len(costs_R) // 2
    return min(max(int(sum(part)), total - int(sum(part))) for part in combinations(costs_R.tolist(), half))


def test_deals_are_near_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    over = []
    for _ in range(100):
        costs_R = (1000 * rng.pareto(1.5, 10) + 1000).astype(np.int64)
        over.append(costs_R[deal(costs_R, 2)].sum(axis=1).max() / best(costs_R))
    assert np.mean(over) < 1.05


def test_a_heavy_tail_of_images_is_packed_full_and_dealt_evenly() -> None:
    model, ranks = blue3b.model(), 8
    mixed = heavy_tailed(model, config.Pack(4096, 64, 781), samples=9000)
    plan = mixed.plan(steps=12, seed=0)
    useful = mixed.pieces.length[plan.pieces].sum() / (plan.steps * 64 * 4096)
    costs = costs_of(mixed, cost_of(model), plan)
    dealt = np.mean([spread(costs_R, deal(costs_R, ranks)) for costs_R in costs])
    in_order = np.mean([spread(costs_R, np.arange(64).reshape(ranks, -1)) for costs_R in costs])
    assert useful > 0.97
    assert dealt < 0.03 < 0.1 < in_order


def test_ranks_that_do_not_divide_the_rows_are_refused_with_both_numbers() -> None:
    assert dealing.share_of(config.Pack(512, 12, 8), 4).rows == 3
    with pytest.raises(InputError, match="pack.rows: 12 rows .* 5 ranks"):
        dealing.share_of(config.Pack(512, 12, 8), 5)
