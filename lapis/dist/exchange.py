"""What processes send each other inside a forward, with gradients: gathered tokens, exchanged heads, summed weights.

Unusual: pieces may be of unequal size (tiles are dealt whole), so they are padded to the longest on the way.

Shape legend: B rows, T tokens, t = T / N tokens of a rank, H heads, h = H / N heads of a rank, E head dimension,
N ranks, V lines of all ranks, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

Group = dist.ProcessGroup


class _GatherLines(torch.autograd.Function):
    """Forward: everybody's lines in rank order. Backward: the sum of everybody's gradients of one's own lines."""

    @staticmethod
    def forward(ctx: Any, own_VD: Tensor, sizes: Sequence[int], group: Group, share: float) -> Tensor:
        ctx.sizes, ctx.group, ctx.share = sizes, group, share
        padded = own_VD.new_zeros(max(sizes), *own_VD.shape[1:])
        padded[: len(own_VD)] = own_VD
        found = padded.new_empty(len(sizes) * max(sizes), *own_VD.shape[1:])
        dist.all_gather_single(found, padded, group)
        parts = found.unflatten(0, (len(sizes), -1))
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, upstream_VD: Tensor) -> tuple[Tensor, None, None, None]:
        longest, rest = max(ctx.sizes), upstream_VD.shape[1:]
        sent = upstream_VD.new_zeros(len(ctx.sizes), longest, *rest)
        for part, piece in zip(sent, upstream_VD.split(list(ctx.sizes)), strict=True):
            part[: len(piece)] = piece
        own = sent.new_empty(longest, *rest)
        dist.reduce_scatter_single(own, sent.flatten(0, 1), group=ctx.group)
        return own[: ctx.sizes[dist.get_rank(ctx.group)]] * ctx.share, None, None, None


def gather_lines(own_VD: Tensor, sizes: Sequence[int], group: Group, share: float = 1.0) -> Tensor:
    """Lines [V, D] of all ranks, of which each has `sizes` of its own; `share` scales the gradient that comes back."""
    return own_VD if not max(sizes) else _GatherLines.apply(own_VD, sizes, group, share)


def gather_tokens(own_BtX: Tensor, order_T: Tensor, group: Group) -> Tensor:
    """[B, T, ...] of all ranks' [B, t, ...], in the order of the row: `order_T` says where each token is in the ranks'
    tokens put behind each other."""
    ranks = dist.get_world_size(group)
    lines = gather_lines(own_BtX.transpose(0, 1).contiguous(), [own_BtX.shape[1]] * ranks, group)
    return lines[order_T].transpose(0, 1)


class _Swap(torch.autograd.Function):
    """Piece n of the first dimension goes to rank n; its own inverse."""

    @staticmethod
    def forward(ctx: Any, pieces_NX: Tensor, group: Group) -> Tensor:
        ctx.group = group
        found = torch.empty_like(pieces_NX, memory_format=torch.contiguous_format)
        dist.all_to_all_single(found, pieces_NX.contiguous(), group=group)
        return found

    @staticmethod
    def backward(ctx: Any, upstream_NX: Tensor) -> tuple[Tensor, None]:
        return _Swap.apply(upstream_NX, ctx.group), None


def heads_for_tokens(x_BtHE: Tensor, order_T: Tensor, group: Group) -> Tensor:
    """All tokens of some heads, [B, T, h, E], for some tokens of all heads (DeepSpeed-Ulysses, arXiv 2309.14509)."""
    ranks = dist.get_world_size(group)
    swapped_NBthE = _Swap.apply(torch.stack(x_BtHE.chunk(ranks, 2)), group)
    return swapped_NBthE.transpose(0, 1).flatten(1, 2)[:, order_T]


def tokens_for_heads(x_BThE: Tensor, places_T: Tensor, group: Group) -> Tensor:
    """The way back: some tokens of all heads, [B, t, H, E]; `places_T` lists the ranks' tokens behind each other."""
    ranks = dist.get_world_size(group)
    swapped_NBthE = _Swap.apply(torch.stack(x_BThE[:, places_T].chunk(ranks, 1)), group)
    return torch.cat(swapped_NBthE.unbind(0), 2)


class _SumGradient(torch.autograd.Function):
    """Forward: the same. Backward: the sum over ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        total = upstream.clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None


def sum_gradient(x: Tensor, group: Group) -> Tensor:
    """A tensor that all ranks hold alike and each uses for a part of its own."""
    return _SumGradient.apply(x, group)
