"""The KV cache of the engine: every request owns a run of tokens in one long tensor a layer.

Unusual: on a CPU nothing of a request's arithmetic depends on what runs beside it. A prompt attends by BLOCK queries
and the keys up to that block's end; written tokens attend as written.py has it. On a GPU, where calls cost more than
masked keys, all written tokens share one call.

Shape legend: T tokens of a forward, N tokens of the cache, M keys, H query heads, G key-value heads, R = H / G,
E head dimension, B single queries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from lapis import config
from lapis.model.attention import attend_cache
from lapis.model.written import Call, Query, calls

BLOCK = 32
"""Runs begin and end at multiples of so many tokens, and so do the blocks in which prompts attend."""


def whole(tokens: int) -> int:
    """Tokens of the blocks that hold so many."""
    return math.ceil(tokens / BLOCK) * BLOCK


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring tokens of one request in a forward. Those of a prompt begin at a multiple of BLOCK."""

    start: int
    """Where the request's run begins in the cache; a multiple of BLOCK."""
    first: int
    """Position of the first of them in the request."""
    count: int
    written: bool = False
    """One token that was written, not read: it attends by itself, whatever its position."""


class KVCache:
    """Keys and values of `tokens` tokens (in whole blocks), one tensor [1, G, N, E] a layer, made once.

    Runs begin at multiples of `step` tokens, where one is given that divides the cache.
    """

    def __init__(
        self,
        shape: config.Decoder,
        tokens: int,
        dtype: torch.dtype,
        device: torch.device | str = "cpu",
        step: int = 0,
    ):
        size = (1, shape.kv_heads, whole(tokens), shape.head_dim)
        self.tokens, self.step = size[2], step
        self.k = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self.v = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self.copies = shape.heads // shape.kv_heads
        self.products = shape.heads * shape.head_dim
        self._seen: Tensor | None = None

    def view(self, spans: Sequence[Span]) -> View:
        """What one forward reads and writes: its tokens are those of the spans, one after the other. Raises IndexError
        past the cache's end."""
        for span in spans:
            if span.start + span.first + span.count > self.tokens:
                end = span.start + span.first + span.count - 1
                raise IndexError(f"token {end} is past the cache's {self.tokens} tokens")
        return View(self, spans)

    def copy(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` tokens of one run to another (a shared beginning)."""
        for x_1GNE in (*self.k, *self.v):
            x_1GNE[:, :, target : target + count] = x_1GNE[:, :, source : source + count].clone()

    def seen(self, first: int) -> Tensor:
        """bool [R * BLOCK, first + BLOCK]: which keys the queries of a block see, stacked by query head of a group."""
        if self._seen is None or self._seen.shape[1] < first + BLOCK:
            longest = max(2 * first, 512)
            rows = torch.arange(BLOCK, device=self.k[0].device)[:, None]
            keys = torch.arange(longest + BLOCK, device=self.k[0].device)
            self._seen = (keys <= longest + rows).repeat(self.copies, 1)
        return self._seen[:, self._seen.shape[1] - BLOCK - first :]


class View:
    """Some runs of a cache during one forward; tokens behind the spans' are padding, of which nothing is kept."""

    def __init__(self, cache: KVCache, spans: Sequence[Span]):
        self._cache = cache
        places = [at for one in spans for at in range(one.start + one.first, one.start + one.first + one.count)]
        self._count = len(places)
        self._at_T = torch.tensor(places, device=cache.k[0].device)
        rows = [0, *accumulate(one.count for one in spans)]
        self._read = [(row, one) for row, one in zip(rows, spans, strict=False) if not one.written]
        """Row and span of what prompts compute."""
        self._written = [(row, one) for row, one in zip(rows, spans, strict=False) if one.written]
        self._calls = self._apart() if cache.k[0].device.type == "cpu" else None

    def _apart(self) -> list[Call]:
        cache = self._cache
        queries = [Query(row, one.start, one.first, whole(one.first + 1)) for row, one in self._written]
        return calls(queries, cache.step, cache.products, cache.k[0])

    def attend(self, layer: int, q_1THE: Tensor, k_1TGE: Tensor, v_1TGE: Tensor) -> Tensor:
        """Write the new keys and values, and attend to all of each request so far, [1, T, H, E]; zero on padding."""
        k_1GNE, v_1GNE = self._cache.k[layer], self._cache.v[layer]
        for store_1GNE, new_1TGE in ((k_1GNE, k_1TGE), (v_1GNE, v_1TGE)):
            kept_1GTE = new_1TGE[:, : self._count].transpose(1, 2)
            store_1GNE.index_copy_(2, self._at_T, kept_1GTE.to(store_1GNE.dtype))
        q_TGRE, o_1THE = q_1THE[0].unflatten(1, (k_1TGE.shape[2], -1)), torch.zeros_like(q_1THE)
        for row, span in self._read:
            o_1THE[0, row : row + span.count] = torch.cat(self._blocks(layer, span, q_TGRE[row : row + span.count]))
        if self._calls is None:
            self._together(layer, q_1THE, o_1THE)
        else:
            for call in self._calls:
                o_1THE[0, call.rows] = call.attend(q_TGRE, k_1GNE, v_1GNE)
        return o_1THE

    def _blocks(self, layer: int, span: Span, q_TGRE: Tensor) -> list[Tensor]:
        """Outputs [T of a block, H, E] of a span's blocks; the last is filled up with queries of nothing."""
        out = []
        for first, q_BGRE in zip(range(span.first, span.first + span.count, BLOCK), q_TGRE.split(BLOCK), strict=True):
            count, groups, copies, size = q_BGRE.shape
            q_GRBE = F.pad(q_BGRE, (0, 0, 0, 0, 0, 0, 0, BLOCK - count)).permute(1, 2, 0, 3)
            run = slice(span.start, span.start + first + BLOCK)
            o_1GSE = F.scaled_dot_product_attention(
                q_GRBE.reshape(1, groups, copies * BLOCK, size),
                self._cache.k[layer][:, :, run],
                self._cache.v[layer][:, :, run],
                attn_mask=self._cache.seen(first),
            )
            o_BGRE = o_1GSE.view(groups, copies, BLOCK, size)[:, :, :count].permute(2, 0, 1, 3)
            out.append(o_BGRE.flatten(1, 2))
        return out

    def _together(self, layer: int, q_1THE: Tensor, o_1THE: Tensor) -> None:
        """One masked call over gathered keys for all written tokens."""
        if not self._written:
            return
        rows, spans = zip(*self._written, strict=True)
        starts_B = torch.tensor([one.start for one in spans], device=q_1THE.device)
        last_B = torch.tensor([one.first for one in spans], device=q_1THE.device)
        keys_M = torch.arange(max(one.first for one in spans) + 1, device=q_1THE.device)
        at_BM = starts_B[:, None] + torch.minimum(keys_M, last_B[:, None])
        k_BMGE, v_BMGE = (x[layer][0][:, at_BM].permute(1, 2, 0, 3) for x in (self._cache.k, self._cache.v))
        mask_B1M = (keys_M <= last_B[:, None])[:, None]
        o_1THE[0, rows] = attend_cache(q_1THE[0, rows][:, None], k_BMGE, v_BMGE, mask_B1M)[:, 0]
