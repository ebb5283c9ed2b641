"""Places along fixed directions: how an image token says where in its tile it lies (ours).

A tower that only names what it shows forgets where (measured: nothing of its place could be read from an image token),
so each image token is asked to name its column and its row by its part along a few directions, equal in every run.

Shape legend: V image tokens, D width, P columns and rows.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def image_tokens(features_VD: Tensor, tiles: int) -> Tensor:
    """Sum over the image tokens of `tiles` tiles of the mean cross-entropy of column and row, in nats."""
    side = math.isqrt(len(features_VD) // tiles)
    at_V = torch.arange(side**2, device=features_VD.device).repeat(tiles)
    return named(features_VD, at_V % side, at_V // side, side)


def named(hidden_VD: Tensor, columns_V: Tensor, rows_V: Tensor, side: int) -> Tensor:
    """Sum of the mean cross-entropy of column and row that hidden states name, of `side` each, in nats."""
    normal_VD = F.rms_norm(hidden_VD.float(), hidden_VD.shape[-1:])
    scores_VP = normal_VD @ directions(hidden_VD.shape[-1], 2 * side).to(hidden_VD.device)
    across = F.cross_entropy(scores_VP[:, :side], columns_V, reduction="sum")
    return (across + F.cross_entropy(scores_VP[:, side:], rows_V, reduction="sum")) / 2


@cache
def directions(width: int, count: int, seed: int = 0) -> Tensor:
    """Unit columns, fp32 [D, P], equal in every run, orthogonal where there is room: here a token spells its place."""
    drawn = torch.randn(width, count, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn)[0] if width >= count else F.normalize(drawn, dim=0)
