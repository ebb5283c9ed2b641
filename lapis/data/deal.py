"""The rows of a step dealt to data-parallel ranks: as many rows each, and as even a cost as their rows allow.

Rows come full of tokens from the packer (pack.py), yet differ in cost: a tile costs more than the tokens that it
stands for, and attention grows with the square of a document. Unusual: costs are whole numbers of FLOPs, so that each
rank, on whatever machine, works out the same deal from the same plan by itself. How many ranks there are is no part of
the plan: a step has the same rows in any world.

Shape legend: R rows of a step, K ranks, M rows of a rank.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lapis import config
from lapis.data.pack import Pieces, Plan
from lapis.types import InputError

Ints = npt.NDArray[np.int64]
Part = tuple[int, int, Ints, Ints]
"""Rows of each rank while they are dealt: the difference between ranks, negative; a number that breaks ties; the cost
[K] of each rank; its rows [K, M]."""


@dataclass(frozen=True, slots=True)
class Cost:
    """FLOPs of a forward pass; a backward pass has twice as many of each, so shares are those of a whole step."""

    token: int
    """Of a token in the decoder's matrices, the output embedding included."""
    pair: int
    """Of attention, for each token of a document times its tokens: half of them are seen."""
    tile: int
    """Of a tile in ViT and adapter."""

    def rows(self, pieces: Pieces, plan: Plan, step: int) -> Ints:
        """Cost [R] of each row of a step."""
        starts = plan.starts[step * plan.rows : (step + 1) * plan.rows + 1]
        members = plan.pieces[starts[0] : starts[-1]]
        length, tiles = pieces.length[members], pieces.tiles[members]
        costs = length * (self.token + self.pair * length) + tiles * self.tile
        return np.diff(np.concatenate([[0], np.cumsum(costs)])[starts - starts[0]])


TOKENS = Cost(token=1, pair=0, tile=0)
"""Cost by tokens alone, where the model is not known."""


def cost_of(model: config.Model) -> Cost:
    """What a model's shape costs; two FLOPs to a multiplication and addition."""
    vit, adapter, decoder = model.vit, model.adapter, model.decoder
    patches = vit.grid**2
    block = patches * vit.width * (4 * vit.width + 2 * vit.mlp + 2 * patches)
    vision = vit.layers * block + patches * vit.width * 3 * vit.patch**2
    joined = model.tokens_per_tile * adapter.hidden * (adapter.shuffle**2 * vit.width + decoder.width)
    return replace(cost_of_text(decoder), tile=2 * (vision + joined))


def cost_of_text(decoder: config.Decoder) -> Cost:
    """What a decoder alone costs."""
    heads, groups = decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim
    layer = decoder.width * (2 * heads + 2 * groups + 3 * decoder.mlp)
    return Cost(
        token=2 * (decoder.layers * layer + decoder.width * decoder.vocab), pair=2 * decoder.layers * heads, tile=0
    )


def share_of(pack: config.Pack, ranks: int) -> config.Pack:
    """What of a step's rows is one rank's. Raises InputError, with both numbers, where ranks do not divide them."""
    if pack.rows % ranks:
        raise InputError(f"pack.rows: {pack.rows} rows of a step, expected a multiple of the {ranks} ranks")
    return replace(pack, rows=pack.rows // ranks)


def deal(costs_R: Ints, ranks: int) -> Ints:
    """Row numbers [K, M] of each rank, rising; K = `ranks` divides R, and one rank gets all rows in their order.

    Balanced differencing (Karmarkar-Karp for equal counts; Michiels et al. 2003): the rows, dearest first, are M parts
    of a row for each rank, and the two parts that differ most between ranks become one, dear with cheap, until one part
    is left.
    """
    order_R = np.argsort(-costs_R, kind="stable")
    parts = [_part(costs_R[rows_K], rows_K[:, None], at) for at, rows_K in enumerate(order_R.reshape(-1, ranks))]
    heapq.heapify(parts)
    for at in range(len(parts), 2 * len(parts) - 1):
        heapq.heappush(parts, _joined(heapq.heappop(parts), heapq.heappop(parts), at))
    return np.sort(parts[0][-1], axis=1)


def _part(costs_K: Ints, rows_KM: Ints, at: int) -> Part:
    return -int(np.ptp(costs_K)), at, costs_K, rows_KM


def _joined(one: Part, other: Part, at: int) -> Part:
    """Two parts as one: the ranks that are dearest in one are cheapest in the other."""
    up_K, down_K = np.argsort(one[2], kind="stable"), np.argsort(-other[2], kind="stable")
    return _part(one[2][up_K] + other[2][down_K], np.concatenate([one[3][up_K], other[3][down_K]], axis=1), at)


def spread(costs_R: Ints, rows_KM: Ints) -> float:
    """How far the dearest rank is over the mean, as a share of it: what the others wait."""
    costs_K = costs_R[rows_KM].sum(axis=1)
    return float(costs_K.max() / costs_K.mean() - 1)
