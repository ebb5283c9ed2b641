"""Attention of written tokens on a CPU: one query a request, to all keys of its run so far.

Unusual: a query sees the keys up to the end of its own block of the cache, those behind it masked. More masked keys
behind them change no bit (tested), so that queries whose runs lie a step apart share one call wherever the keys that it
computes for nothing cost less than the calls that it spares. How they are shared out is a matter of speed alone.

Shape legend: T tokens of a forward, N tokens of the cache, M keys, C neighbouring cells of the cache, each a step long
and holding one run, H query heads, G key-value heads, R = H / G, E head dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CALL, KEY = 30e-6, 0.45e-9
"""Seconds of a call beside its keys, and of a key for each of its H x E products (measured: fp32, a core with AVX2)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A written token."""

    row: int
    """Which of the forward's tokens it is."""
    start: int
    """Where its run begins in the cache."""
    at: int
    """Its position in the run."""
    keys: int
    """Keys up to the end of its block."""


class Call:
    """Queries that attend together: those of neighbouring cells, of which some may have none."""

    def __init__(self, queries: Sequence[Query], step: int, like: Tensor):
        """`step` is the cells' length; one query alone needs none. `like` has the mask's dtype."""
        self.step, self.keys = step, max(one.keys for one in queries)
        self.start = min(one.start for one in queries)
        places = [(one.start - self.start) // (step or 1) for one in queries]
        self.cells = 1 + max(places)
        rows, last = [queries[0].row] * self.cells, [0] * self.cells
        for place, one in zip(places, queries, strict=True):
            rows[place], last[place] = one.row, one.at
        self.rows = torch.tensor([one.row for one in queries])
        self._rows_C, self._places = torch.tensor(rows), torch.tensor(places)
        hidden_CM = torch.arange(self.keys) > torch.tensor(last)[:, None]
        self._mask_C11M = like.new_zeros(hidden_CM.shape).masked_fill_(hidden_CM, -math.inf)[:, None, None]

    def attend(self, q_TGRE: Tensor, k_1GNE: Tensor, v_1GNE: Tensor) -> Tensor:
        """Outputs [queries, H, E], in the order of `rows`."""
        keys, values = self._seen(k_1GNE), self._seen(v_1GNE)
        o_CGRE = F.scaled_dot_product_attention(q_TGRE[self._rows_C], keys, values, attn_mask=self._mask_C11M)
        return o_CGRE[self._places].flatten(1, 2)

    def _seen(self, x_1GNE: Tensor) -> Tensor:
        """[C, G, M, E], no copy."""
        if self.cells == 1:
            return x_1GNE[:, :, self.start : self.start + self.keys]
        _, groups, _, size = x_1GNE.shape
        first, head, token, one = (self.start, *x_1GNE.stride()[1:])
        strides = (self.step * token, head, token, one)
        return x_1GNE.as_strided(
            (self.cells, groups, self.keys, size), strides, x_1GNE.storage_offset() + first * token
        )


def calls(queries: Sequence[Query], step: int, products: int, like: Tensor) -> list[Call]:
    """The calls that cost the least. `step` 0: no two runs lie a step apart; `products` is H x E; `like` is the cache's
    keys of a layer [1, G, N, E]."""
    fit, alone = list[Query](), list[Query]()
    for one in queries:
        (fit if _fits(one, step, like.shape[2]) else alone).append(one)
    fit.sort(key=lambda one: one.keys)
    many = _cheapest(fit, step, KEY * products)
    together = [Call(fit[:many], step, like)] if many else []
    return together + [Call([one], 0, like) for one in (*fit[many:], *alone)]


def _fits(one: Query, step: int, tokens: int) -> bool:
    """Its run lies in a cell of its own, all of which is in the cache."""
    return bool(step) and one.start % step == 0 and one.keys <= step and one.start + step <= tokens


def _cheapest(fit: Sequence[Query], step: int, key: float) -> int:
    """How many of the shortest are better off in one call; 0 where none are."""
    spared = [0.0, *(apart - joint for apart, joint in _costs(fit, step, key))]
    return max(range(len(spared)), key=spared.__getitem__)


def _costs(fit: Sequence[Query], step: int, key: float) -> Iterator[tuple[float, float]]:
    """For the first one, two, three ... queries: seconds of a call each, and of one for all of them."""
    apart, low, high = 0.0, math.inf, 0
    for one in fit:
        apart += CALL + key * one.keys
        low, high = min(low, one.start // step), max(high, one.start // step)
        yield apart, CALL + key * one.keys * (high - low + 1)
