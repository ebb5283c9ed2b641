"""The look losses: where a decoder's eyes are when it points or copies, and what it keeps of it (ours).

A small decoder that has every element's text and place in its image tokens still does not learn to point from the
digits alone: which image token to read must be found, and its place carried to each digit, before any of both pays off
(measured in LOG.md). So both are told. At the token before a point's first digit the attention of one head should lie
on the image tokens over what is meant (GUI-Actor, arXiv 2506.03143, trains attention to patches as its way to point;
here digits stay the answer); two layers on, that token and those of the digits should hold the point's column and row
along the same fixed directions along which image tokens name their own (places.py). A thought that copies a question's
numbers waits for the same: a head of the layer between is told which digits, and for a sign which words, it reads.

Shape legend: B rows, T tokens, D width, E head dimension, G tokens that look, L looks, O tokens that hold a point,
M = G x O.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lapis.model.decoder import Decoder, Layer, rotate, rotation
from lapis.train.places import named
from lapis.types import Batch

LAYER = 1
"""Whose attention looks: the second layer, before which a token knows its neighbours, and after which there is depth
left to say what was seen."""
HELD = 7
"""Tokens that hold a point, from the one that looks to the last digit but one: each that has a digit to come."""
SIDE = 9
"""Columns, and rows, that a point is held in."""


def taps(decoder: Decoder) -> tuple[int, int, int]:
    """Layers whose input `loss` needs: for eyes on pictures, for eyes on text, and for what is held."""
    depth = len(decoder.layers)
    return LAYER, min(LAYER + 1, depth - 1), min(LAYER + 2, depth)


def points(batch: Batch) -> Tensor:
    """Looks [L, 5] at pictures."""
    return batch.looks_L5[batch.looks_L5[:, 3] >= 0]


def copies(batch: Batch) -> Tensor:
    """Looks [L, 5] at text."""
    return batch.looks_L5[batch.looks_L5[:, 3] < 0]


def total(looks_L5: Tensor) -> float:
    """G: what the sum of a global step is divided by."""
    return float(len(_tokens(looks_L5)[0]))


def loss(decoder: Decoder, taps_BTD: tuple[Tensor, ...], batch: Batch, all_points: float, all_copies: float) -> Tensor:
    """Look losses in nats, each by its total over the step; scalar fp32. `taps_BTD` enter the layers of `taps`."""
    early_BTD, middle_BTD, late_BTD = taps_BTD
    first, second, _ = taps(decoder)
    looked = seen(decoder, first, early_BTD, batch, points(batch)) + held(late_BTD, points(batch))
    copied = read(decoder, second, middle_BTD, batch, copies(batch))
    return looked / max(all_points, 1.0) + copied / max(all_copies, 1.0)


def seen(decoder: Decoder, layer: int, x_BTD: Tensor, batch: Batch, looks_L5: Tensor) -> Tensor:
    """Sum over looking tokens of -log of the attention, in a layer that `x_BTD` enters, on what they may look at."""
    if not len(looks_L5):
        return x_BTD.sum() * 0.0
    scores_GT, wanted_GT = _looks(decoder, layer, x_BTD, batch, looks_L5)
    return (scores_GT.logsumexp(1) - scores_GT.masked_fill(~wanted_GT, float("-inf")).logsumexp(1)).sum()


def read(decoder: Decoder, layer: int, x_BTD: Tensor, batch: Batch, looks_L5: Tensor) -> Tensor:
    """Like `seen`, but all of what a token may look at is to be looked at alike, so that no word is passed over."""
    if not len(looks_L5):
        return x_BTD.sum() * 0.0
    scores_GT, wanted_GT = _looks(decoder, layer, x_BTD, batch, looks_L5)
    mean_G = scores_GT.masked_fill(~wanted_GT, 0.0).sum(1) / wanted_GT.sum(1)
    return (scores_GT.logsumexp(1) - mean_G).sum()


def _looks(decoder: Decoder, layer: int, x_BTD: Tensor, batch: Batch, looks_L5: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of the looking tokens, and which of them are wanted, both [G, T]."""
    tokens_G2, of_L = _tokens(looks_L5)
    scores_GT = _scores(decoder, layer, x_BTD, tokens_G2, batch)
    wanted_GT = torch.zeros_like(scores_GT, dtype=torch.bool)
    wanted_GT[of_L, looks_L5[:, 2]] = True
    return scores_GT, wanted_GT


def held(late_BTD: Tensor, looks_L5: Tensor) -> Tensor:
    """Sum over pointing tokens of the mean cross-entropy of column and row in the tokens that hold their point."""
    if not len(looks_L5):
        return late_BTD.sum() * 0.0
    tokens_G2, of_L = _tokens(looks_L5)
    rows_G, at_G = tokens_G2.unbind(1)
    points_G2 = tokens_G2.index_put((of_L,), looks_L5[:, 3:])
    at_GO = (at_G[:, None] + torch.arange(HELD, device=at_G.device)).clamp_max(late_BTD.shape[1] - 1)
    held_MD = late_BTD[rows_G[:, None], at_GO].flatten(0, 1)
    columns_M, rows_M = (points_G2 * SIDE // 1000).clamp(0, SIDE - 1).repeat_interleave(HELD, 0).unbind(1)
    return named(held_MD, columns_M, rows_M, SIDE) / HELD


def _tokens(looks_L5: Tensor) -> tuple[Tensor, Tensor]:
    """(row and position of each looking token [G, 2], which of them each look belongs to [L])."""
    found, of_L = looks_L5[:, :2].unique(dim=0, return_inverse=True)
    return found, of_L


def _scores(decoder: Decoder, number: int, x_BTD: Tensor, tokens_G2: Tensor, batch: Batch) -> Tensor:
    """Scores of looking tokens over their rows, fp32 [G, T]; -inf for what they cannot see."""
    layer, shape = decoder.layers[number], decoder.config
    assert isinstance(layer, Layer)
    rows_G, at_G = tokens_G2.unbind(1)
    query_ED, key_ED = _head(layer, shape.heads, shape.kv_heads, shape.head_dim)
    turn = rotation(shape, batch.positions_BT)
    normal_BTD = layer.norm1(x_BTD)
    key_BTE = layer.attention.k_norm(F.linear(normal_BTD, key_ED).float())
    query_GE = layer.attention.q_norm(F.linear(normal_BTD[rows_G, at_G], query_ED).float())
    key_BTE = rotate(key_BTE[:, :, None], turn)[:, :, 0]
    query_GE = rotate(query_GE[:, None], (turn[0][rows_G, at_G], turn[1][rows_G, at_G]))[:, 0]
    scores_GT = torch.einsum("ge,gte->gt", query_GE, key_BTE[rows_G]) * shape.head_dim**-0.5
    documents_GT, places_T = batch.documents_BT[rows_G], torch.arange(scores_GT.shape[1], device=rows_G.device)
    same_GT = documents_GT == batch.documents_BT[rows_G, at_G][:, None]
    return scores_GT.masked_fill(~same_GT | (places_T > at_G[:, None]), float("-inf"))


def _head(layer: Layer, heads: int, groups: int, dim: int) -> tuple[Tensor, Tensor]:
    """Weights [E, D] of queries and keys of the last group's first head."""
    weight = layer.attention.qkv.weight
    query, key = heads - heads // groups, heads + groups - 1
    return weight[query * dim : (query + 1) * dim], weight[key * dim : (key + 1) * dim]
