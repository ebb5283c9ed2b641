"""Attention of packed rows on a GPU: PyTorch's flex_attention, which skips the blocks that a mask leaves empty.

Unusual: the mask is made once and serves all layers of a forward. The call is compiled wherever it runs on a GPU,
because flex_attention by itself writes all scores out; elsewhere it is the slow oracle of the tests.

Shape legend: B rows, T query tokens, M keys, H query heads, G key-value heads, D head dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(row, head, query, key), as scalar tensors, to whether the query sees the key."""
Call = Callable[..., Tensor]


@cache
def _compiled() -> Call:
    return cast(Call, torch.compile(flex_attention))


class Flex:
    """Attention under one rule over rows of `queries` and `keys` tokens."""

    def __init__(self, rule: Rule, rows: int, queries: int, keys: int, device: torch.device):
        def plain(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            """PyTorch counts a rule's arguments, and miscounts those of methods and partial functions."""
            return rule(row, head, query, key)

        self.mask: BlockMask = create_block_mask(plain, rows, None, queries, keys, device=str(device))
        self.call = _compiled() if device.type == "cuda" else cast(Call, flex_attention)

    def attend(self, q_BTHD: Tensor, k_BMGD: Tensor, v_BMGD: Tensor, padded_BT: Tensor) -> Tensor:
        """[B, T, H, D]; zero on padding, whose queries may see anything."""
        q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BMGD, v_BMGD))
        o_BTHD = self.call(q, k, v, block_mask=self.mask, enable_gqa=True).transpose(1, 2)
        return o_BTHD.masked_fill(padded_BT[..., None, None], 0)
