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
number that is read from a picture is looked at like what is pointed at, and its digits are held along directions of
their own (numbers.py).

Shape legend: B rows, T tokens, D width, E head dimension, G tokens that look, L looks, O tokens that hold a point,
M = G x O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lapis.data import labels
from lapis.data.looks import CLUE, FROM_PICTURE, FROM_QUESTION, FROM_THOUGHT, NAME, ORDER
from lapis.model.decoder import Decoder, Tap
from lapis.train import numbers
from lapis.train.places import named
from lapis.types import Batch

LAYER = 1
"""Whose attention looks: the second layer, before which a token knows its neighbours, and after which there is depth
left to say what was seen."""
KINDS = (FROM_QUESTION, FROM_THOUGHT, FROM_PICTURE, CLUE, NAME, ORDER)
"""Of looks that do not point, in the order of `Looks`."""
HELD = 7
"""Tokens that hold a point, from the one that looks to the last digit but one: each that has a digit to come."""
LINES_WEIGHT = 2.0
"""Of the order of what a plan reads: half of its tokens, those of the plan, are right at once."""
SIDE = 18
"""Columns, and rows, that a point is held in: two to an image token of the small recipes' tiles, since a line of text
is about as high as half of one."""


def taps(decoder: Decoder) -> tuple[int, int, int]:
    """Layers at which `loss` must see what passes: for eyes on pictures, for eyes on text, and for what is held."""
    depth = len(decoder.layers)
    return LAYER, min(LAYER + 1, depth - 1), min(LAYER + 2, depth)


class Looks(NamedTuple):
    """The looks [L, 5] of a batch by what they are at."""

    points: Tensor
    """A place of a picture that is pointed at."""
    asked: Tensor
    """A question's text that is copied."""
    own: Tensor
    """The thought's own text."""
    shown: Tensor
    """A number of a picture."""
    clues: Tensor
    """What tells how to go on."""
    names: Tensor
    """A name of a picture that is pointed at."""
    orders: Tensor
    """Nothing: the token belongs to a line of a plan."""


def parts(batch: Batch) -> Looks:
    """The looks of a batch."""
    looks_L5, at_L = batch.looks_L5, batch.looks_L5[:, 3]
    return Looks(looks_L5[at_L >= 0], *(looks_L5[at_L == kind] for kind in KINDS))


def totals(batch: Batch) -> tuple[float, ...]:
    """G of each of a batch's `parts`."""
    return tuple(map(total, parts(batch)))


def total(looks_L5: Tensor) -> float:
    """G: what the sum of a global step is divided by."""
    return float(len(_tokens(looks_L5)[0]))


def loss(decoder: Decoder, passed: tuple[Tap, ...], batch: Batch, divisors: Sequence[float]) -> Tensor:
    """Look losses in nats, each by its total over the step; scalar fp32.

    `divisors` are the step's `totals`; `passed` is what passes at the layers of `taps`. All of it is asked for its
    gradient, whatever the batch looks at: processes that look at different things must run the same backward.
    """
    first, second, end = passed
    touched = [one.sum().float() for tap in passed for one in (tap.x_BTD, *(tap.heads or ()))]
    last, early, other = heads(decoder)
    at = parts(batch)
    sums = Looks(
        points=seen(first, last, batch, at.points) + held(end.x_BTD, at.points),
        asked=seen(second, last, batch, at.asked, alike=True),
        own=seen(second, early, batch, at.own, alike=True),
        shown=seen(first, last, batch, at.shown) + counted(end.x_BTD, at.shown),
        clues=seen(first, other, batch, at.clues),
        names=seen(first, last, batch, at.names),
        orders=LINES_WEIGHT * numbers.lines(second.x_BTD[at.orders[:, 0], at.orders[:, 1]], at.orders[:, 4]),
    )
    found = torch.stack([part / max(count, 1.0) for part, count in zip(sums, divisors, strict=True)]).sum()
    return found + torch.stack(touched).sum() * 0.0


def seen(passed: Tap, head: int, batch: Batch, looks_L5: Tensor, alike: bool = False) -> Tensor:
    """Sum over looking tokens of -log of a head's attention on what they may look at: on all of it together, or
    `alike` on each, so that no part of a word is passed over."""
    if not len(looks_L5):
        return passed.x_BTD.sum() * 0.0
    tokens_G2, of_L = _tokens(looks_L5)
    scores_GT = _scores(passed, head, tokens_G2, batch)
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


def _scores(passed: Tap, head: int, tokens_G2: Tensor, batch: Batch) -> Tensor:
    """A head's scores of looking tokens, rows rising, over their rows, fp32 [G, T]; -inf for what they cannot see."""
    assert passed.heads is not None
    queries_BTHE, keys_BTGE = passed.heads
    rows_G, at_G = tokens_G2.unbind(1)
    share = queries_BTHE.shape[2] // keys_BTGE.shape[2]
    query_GE, key_BTE = queries_BTHE[rows_G, at_G, head].float(), keys_BTGE[:, :, head // share].float()
    of_rows = query_GE.split(torch.bincount(rows_G, minlength=len(key_BTE)).tolist())
    scores_GT = torch.cat([one_GE @ key_TE.T for one_GE, key_TE in zip(of_rows, key_BTE, strict=True)])
    scores_GT = scores_GT * query_GE.shape[-1] ** -0.5
    documents_GT, places_T = batch.documents_BT[rows_G], torch.arange(scores_GT.shape[1], device=rows_G.device)
    same_GT = documents_GT == batch.documents_BT[rows_G, at_G][:, None]
    return scores_GT.masked_fill(~same_GT | (places_T > at_G[:, None]), float("-inf"))


def heads(decoder: Decoder) -> tuple[int, int, int]:
    """The last group's first head, for points and questions; the first group's last one, for a thought's own words; the
    very last one, for clues."""
    share = decoder.config.heads // decoder.config.kv_heads
    return decoder.config.heads - share, share - 1, decoder.config.heads - 1
