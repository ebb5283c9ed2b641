"""Causal attention over packed rows, and of new tokens to a cache.

Unusual: documents that share a row are kept apart without a mask on CPU, by one call per run of equal document
numbers (a dense mask costs five times as much there), and by flex_attention on a GPU. In bf16 on a CPU short runs
multiply the scores out, which measured about twice as fast, forward and backward, as the fused kernel.

Shape legend: B rows, T tokens, M keys, H query heads, G key-value heads, R = H / G, D head dimension, L tokens of
one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

SHORT = 512
"""Longest run whose scores are multiplied out in bf16 on a CPU; beyond it memory traffic eats the gain (measured)."""


class Documents(Protocol):
    """How tokens of packed rows see each other."""

    def attend(self, q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Layout:
    """Where documents lie in packed rows: runs of equal numbers in the flattened B x T tokens, in order."""

    lengths: tuple[int, ...]
    documents: tuple[int, ...]
    """Document number of each run; -1 is padding."""
    whole: bool
    """Each row is one document, perhaps with padding behind it: one causal call serves all."""
    padded: bool
    documents_BT: Tensor

    def attend(self, q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor) -> Tensor:
        """Causal attention inside each document, [B, T, H, D] in v's dtype; zero on padding."""
        if q_BTHD.is_cuda:
            return _flex(q_BTHD, k_BTGD, v_BTGD, self.documents_BT)
        if not self.whole:
            return _by_run(q_BTHD, k_BTGD, v_BTGD, self)
        o_BTHD = causal(q_BTHD, k_BTGD, v_BTGD)
        return o_BTHD.masked_fill((self.documents_BT < 0)[..., None, None], 0) if self.padded else o_BTHD


@torch.compiler.disable
def layout(documents_BT: Tensor) -> Layout:
    """Find the runs once per forward; every layer's `attend` reuses them. Reads the tensor on the host."""
    rows, length = documents_BT.shape
    flat = documents_BT.reshape(-1)
    new = torch.ones_like(flat, dtype=torch.bool)
    new[1:] = flat[1:] != flat[:-1]
    new[::length] = True
    starts = new.nonzero().squeeze(1)
    ends = torch.cat((starts[1:], starts.new_tensor([flat.numel()])))
    numbers = tuple(flat[starts].tolist())
    heads = {start for start, number in zip(starts.tolist(), numbers, strict=True) if number >= 0}
    whole = all(start % length == 0 for start in heads)
    return Layout(tuple((ends - starts).tolist()), numbers, whole, -1 in numbers, documents_BT)


def attend(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, documents: Tensor | Documents | None = None) -> Tensor:
    """Causal attention with grouped keys; documents of a packed row do not see each other.

    `documents` is int [B, T] (-1 = padding), its `layout`, or None where every row is one document.
    Returns [B, T, H, D] in v's dtype; zero on padding.
    """
    if documents is None:
        return causal(q_BTHD, k_BTGD, v_BTGD)
    plan = layout(documents) if isinstance(documents, Tensor) else documents
    return plan.attend(q_BTHD, k_BTGD, v_BTGD)


def causal(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor) -> Tensor:
    """Causal attention where every row is one document, [B, T, H, D]."""
    if _multiply_out(q_BTHD):
        return _scores(q_BTHD, k_BTGD, v_BTGD, masked=True)
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BTGD, v_BTGD))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)


def full(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
    """Attention of every token to every other (the ViT's), [B, T, H, D]."""
    if _multiply_out(q_BTHD):
        return _scores(q_BTHD, k_BTHD, v_BTHD, masked=False)
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BTHD, v_BTHD))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)


def _multiply_out(q_BTHD: Tensor) -> bool:
    return q_BTHD.device.type == "cpu" and q_BTHD.dtype == torch.bfloat16 and q_BTHD.shape[1] <= SHORT


def _scores(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, masked: bool) -> Tensor:
    """softmax(q k^T / sqrt(D)) v by plain matrix products; a group's query heads are stacked along its rows."""
    rows, length, heads, dim = q_BTHD.shape
    groups = k_BTGD.shape[2]
    q_BGSD = q_BTHD.transpose(1, 2).reshape(rows, groups, heads // groups * length, dim) * dim**-0.5
    scores = q_BGSD @ k_BTGD.permute(0, 2, 3, 1)
    if masked:
        hidden_TT = torch.ones(length, length, dtype=torch.bool, device=q_BTHD.device).triu(1)
        scores = scores.view(rows, heads, length, length).masked_fill(hidden_TT, float("-inf")).view_as(scores)
    o_BGSD = scores.softmax(-1) @ v_BTGD.transpose(1, 2)
    return o_BGSD.view(rows, heads, length, dim).transpose(1, 2)


@torch.compiler.disable
def _by_run(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, plan: Layout) -> Tensor:
    """One causal call per run. `split` and `cat` keep the backward one pass (slices would each fill a whole row)."""
    pieces = [x.flatten(0, 1).split(plan.lengths) for x in (q_BTHD, k_BTGD, v_BTGD)]
    out = [
        torch.zeros_like(q_LHD) if number < 0 else causal(q_LHD[None], k_LGD[None], v_LGD[None])[0]
        for q_LHD, k_LGD, v_LGD, number in zip(*pieces, plan.documents, strict=True)
    ]
    return torch.cat(out).view_as(q_BTHD)


def _visible(documents_BT: Tensor, b: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """flex_attention's mask rule: earlier tokens of the same document."""
    return (documents_BT[b, query] == documents_BT[b, key]) & (query >= key)


def _flex(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, documents_BT: Tensor) -> Tensor:
    rows, length = documents_BT.shape
    rule = partial(_visible, documents_BT)
    mask = create_block_mask(rule, rows, None, length, length, device=str(q_BTHD.device))
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BTGD, v_BTGD))
    o_BTHD = flex_attention(q, k, v, block_mask=mask, enable_gqa=True).transpose(1, 2)
    return o_BTHD.masked_fill((documents_BT < 0)[..., None, None], 0)


class Cache(Protocol):
    """Keys and values of earlier tokens, as a layer's attention sees them."""

    def attend(self, layer: int, q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor) -> Tensor:
        """Keep the new keys and values, and attend to them and to all earlier ones, [B, T, H, D]."""
        ...


def attend_cache(q_BTHD: Tensor, k_BMGD: Tensor, v_BMGD: Tensor, mask_BTM: Tensor) -> Tensor:
    """Attention of new tokens to a cache, [B, T, H, D]; each query sees the keys its mask allows.

    A group's R query heads stand as R more queries of one head, so no key is copied for them.
    """
    rows, length, heads, dim = q_BTHD.shape
    groups = k_BMGD.shape[2]
    q_BGSD = q_BTHD.view(rows, length, groups, -1, dim).permute(0, 2, 3, 1, 4).reshape(rows, groups, -1, dim)
    mask_B1SM = mask_BTM.repeat(1, heads // groups, 1)[:, None]
    k, v = k_BMGD.transpose(1, 2), v_BMGD.transpose(1, 2)
    o_BGSD = F.scaled_dot_product_attention(q_BGSD, k, v, attn_mask=mask_B1SM)
    return o_BGSD.view(rows, heads, length, dim).transpose(1, 2)
