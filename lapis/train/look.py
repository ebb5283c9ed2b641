"""The look losses: where a decoder's eyes are when it points or copies, and what it keeps of it (ours).

A small decoder that has every element's text and place in its image tokens still does not learn to point from the
digits alone: which image token to read must be found, and its place carried to each digit, before any of both pays off
(measured in LOG.md). So both are told. At the token before a point's first digit the attention of one head should lie
on the image tokens over what is meant (GUI-Actor, arXiv 2506.03143, trains attention to patches as its way to point;
here digits stay the answer); two layers on, that token and those of the digits should hold the point's column and row
along the same fixed directions along which image tokens name their own (places.py). A thought that copies waits for the
same: of the layer between, one head is told what of the question it reads, another what of the thought itself. What
comes next in a question is found by what came last, and a digit is worked out by its line's sign: in the layer before,
a head of its own looks at these clues, in question and thought alike; and what enters the layer between holds which
line of the plan a token is for (numbers.py), since two numbers can be alike and two places in an order are not. A
number that is read from a picture is looked
at like what is pointed at, and its digits are held along directions of their own (numbers.py).

Shape legend: B rows, T tokens, D width, E head dimension, G tokens that look, L looks, O tokens that hold a point,
M = G x O.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lapis.data import labels
from lapis.data.looks import CLUE, FROM_PICTURE, FROM_QUESTION, FROM_THOUGHT, NAME, ORDER
from lapis.model.decoder import Decoder, Layer, rotate, rotation
from lapis.train import numbers
from lapis.train.places import named
from lapis.types import Batch

LAYER = 1
"""Whose attention looks: the second layer, before which a token knows its neighbours, and after which there is depth
left to say what was seen."""
HELD = 7
"""Tokens that hold a point, from the one that looks to the last digit but one: each that has a digit to come."""
LINES_WEIGHT = 2.0
"""Of the order of what a plan reads: half of its tokens, those of the plan, are right at once."""
SIDE = 18
"""Columns, and rows, that a point is held in: two to an image token of the small recipes' tiles, since a line of text
is about as high as half of one."""


def taps(decoder: Decoder) -> tuple[int, int, int]:
    """Layers whose input `loss` needs: for eyes on pictures, for eyes on text, and for what is held."""
    depth = len(decoder.layers)
    return LAYER, min(LAYER + 1, depth - 1), min(LAYER + 2, depth)


def points(batch: Batch) -> Tensor:
    """Looks [L, 5] that point."""
    return batch.looks_L5[batch.looks_L5[:, 3] >= 0]


def copies(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Looks [L, 5] without a point: at the question, at the thought itself, at a picture's numbers, at clues, and at a
    picture's names; then the order of what is read."""
    at_L = batch.looks_L5[:, 3]
    kinds = (FROM_QUESTION, FROM_THOUGHT, FROM_PICTURE, CLUE, NAME, ORDER)
    asked, own, shown, clues, names, orders = (batch.looks_L5[at_L == kind] for kind in kinds)
    return asked, own, shown, clues, names, orders


def total(looks_L5: Tensor) -> float:
    """G: what the sum of a global step is divided by."""
    return float(len(_tokens(looks_L5)[0]))


def loss(decoder: Decoder, taps_BTD: tuple[Tensor, ...], batch: Batch, totals: Sequence[float]) -> Tensor:
    """Look losses in nats, each by its total over the step; scalar fp32.

    `totals` are for points, question, thought, picture, clues, names and order; `taps_BTD` enter the layers of `taps`.
    """
    early_BTD, middle_BTD, late_BTD = taps_BTD
    first, second, _ = taps(decoder)
    last, early, other = heads(decoder)
    asked_L5, own_L5, shown_L5, clues_L5, names_L5, orders_L5 = copies(batch)
    parts = (
        seen(decoder, first, last, early_BTD, batch, points(batch)) + held(late_BTD, points(batch)),
        seen(decoder, second, last, middle_BTD, batch, asked_L5, alike=True),
        seen(decoder, second, early, middle_BTD, batch, own_L5, alike=True),
        seen(decoder, first, last, early_BTD, batch, shown_L5) + counted(late_BTD, shown_L5),
        seen(decoder, first, other, early_BTD, batch, clues_L5),
        seen(decoder, first, last, early_BTD, batch, names_L5),
        LINES_WEIGHT * numbers.lines(middle_BTD[orders_L5[:, 0], orders_L5[:, 1]], orders_L5[:, 4]),
    )
    return torch.stack([part / max(total, 1.0) for part, total in zip(parts, totals, strict=True)]).sum()


def seen(
    decoder: Decoder, layer: int, head: int, x_BTD: Tensor, batch: Batch, looks_L5: Tensor, alike: bool = False
) -> Tensor:
    """Sum over looking tokens of -log of a head's attention, in a layer that `x_BTD` enters, on what they may look at:
    on all of it together, or `alike` on each, so that no part of a word is passed over."""
    if not len(looks_L5):
        return x_BTD.sum() * 0.0
    tokens_G2, of_L = _tokens(looks_L5)
    scores_GT = _scores(decoder, layer, head, x_BTD, tokens_G2, batch)
    wanted_GT = torch.zeros_like(scores_GT, dtype=torch.bool)
    wanted_GT[of_L, looks_L5[:, 2]] = True
    if alike:
        found_G = scores_GT.masked_fill(~wanted_GT, 0.0).sum(1) / wanted_GT.sum(1)
    else:
        found_G = scores_GT.masked_fill(~wanted_GT, float("-inf")).logsumexp(1)
    return (scores_GT.logsumexp(1) - found_G).sum()


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


def counted(late_BTD: Tensor, looks_L5: Tensor) -> Tensor:
    """Sum over tokens that read a number of a picture of the mean cross-entropy of its digits in them."""
    if not len(looks_L5):
        return late_BTD.sum() * 0.0
    tokens_G2, of_L = _tokens(looks_L5)
    values_G = tokens_G2[:, 0].index_put((of_L,), looks_L5[:, 4])
    digits_GN = torch.tensor([labels.digits(value) for value in values_G.tolist()], device=late_BTD.device)
    return numbers.named(late_BTD[tokens_G2[:, 0], tokens_G2[:, 1]], digits_GN)


def _tokens(looks_L5: Tensor) -> tuple[Tensor, Tensor]:
    """(row and position of each looking token [G, 2], which of them each look belongs to [L])."""
    found, of_L = looks_L5[:, :2].unique(dim=0, return_inverse=True)
    return found, of_L


def _scores(decoder: Decoder, number: int, head: int, x_BTD: Tensor, tokens_G2: Tensor, batch: Batch) -> Tensor:
    """A head's scores of looking tokens over their rows, fp32 [G, T]; -inf for what they cannot see."""
    layer, shape = decoder.layers[number], decoder.config
    assert isinstance(layer, Layer)
    rows_G, at_G = tokens_G2.unbind(1)
    group = shape.heads + head // (shape.heads // shape.kv_heads)
    query_ED, key_ED = (layer.attention.qkv.weight.unflatten(0, (-1, shape.head_dim))[at] for at in (head, group))
    turn = rotation(shape, batch.positions_BT)
    normal_BTD = layer.norm1(x_BTD)
    key_BTE = layer.attention.k_norm(F.linear(normal_BTD, key_ED).float())
    query_BTE = layer.attention.q_norm(F.linear(normal_BTD, query_ED).float())
    key_BTE, query_BTE = (rotate(one_BTE[:, :, None], turn)[:, :, 0] for one_BTE in (key_BTE, query_BTE))
    scores_GT = (query_BTE @ key_BTE.mT)[rows_G, at_G] * shape.head_dim**-0.5
    documents_GT, places_T = batch.documents_BT[rows_G], torch.arange(scores_GT.shape[1], device=rows_G.device)
    same_GT = documents_GT == batch.documents_BT[rows_G, at_G][:, None]
    return scores_GT.masked_fill(~same_GT | (places_T > at_G[:, None]), float("-inf"))


def heads(decoder: Decoder) -> tuple[int, int, int]:
    """The last group's first head, for points and questions; the first group's last one, for a thought's own words; the
    very last one, for clues."""
    share = decoder.config.heads // decoder.config.kv_heads
    return decoder.config.heads - share, share - 1, decoder.config.heads - 1
