"""A typical batch of a stage, from its recipe alone: rows full of documents, and tiles in them (ours).

A plan is made before there is data, so what rows hold is an assumption, and `text` says it. How unevenly rows cost is
drawn, and dealt to ranks as training deals them (data/deal.py).

Shape legend: B rows, T tokens, R rows of a step, K ranks, M rows of a rank, P documents of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lapis import config
from lapis.data.deal import Cost, deal
from lapis.data.labels import LABELS
from lapis.types import IGNORE, Batch

DOCUMENT, LONG = 1024, 0.8
"""Tokens of a document, and the share of a row that one takes where a stage has long ones (ours)."""
LABELLED = 4
"""One image token of so many has labels (ours)."""
SPREAD, PICTURE = 0.5, 4
"""Deviation of the logarithm of documents' lengths, and tiles of a picture, where rows are drawn (ours)."""
PLAIN = 20
"""Ids below may be special tokens."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What each row of a stage holds."""

    lengths: tuple[int, ...]
    """Tokens of its documents."""
    tiles: int

    @property
    def text(self) -> str:
        many = f"documents of {self.lengths[0]:,} tokens" if len(self.lengths) > 1 else "one document"
        return f"every row full: {many}, {self.tiles} tiles"


def filling(stage: config.Train, model: config.Model | config.Decoder) -> Filling:
    """Usual documents, behind a long one where the stage has such; and the tile budget in equal shares."""
    length = stage.pack.row_tokens
    first = [int(length * LONG)] if any(kind.startswith("long") for kind in stage.mixture) else []
    lengths = first + [min(DOCUMENT, length)] * ((length - sum(first)) // min(DOCUMENT, length))
    lengths += [length - sum(lengths)] * (length > sum(lengths))
    tiles = 0
    if isinstance(model, config.Model):
        room = sum(one // (model.tokens_per_tile + 2) for one in lengths)
        tiles = min(round(stage.pack.tiles / stage.pack.rows), room)
    return Filling(tuple(lengths), tiles)


def make(held: Filling, rows: int, model: config.Model | config.Decoder) -> Batch:
    """A batch of such rows, but for its tiles, which have no pixels (`with_tiles`)."""
    length = sum(held.lengths)
    documents_T = torch.arange(len(held.lengths)).repeat_interleave(torch.tensor(held.lengths))
    positions_T = torch.cat([torch.arange(one) for one in held.lengths])
    tokens_T = torch.full((length,), PLAIN)
    labels = 0
    if isinstance(model, config.Model):
        tokens_T = _with_places(tokens_T, held, model)
        labels = rows * held.tiles * model.tokens_per_tile
    targets_T = tokens_T.roll(-1)
    if isinstance(model, config.Model):
        targets_T = targets_T.masked_fill(targets_T == model.image_token, IGNORE)
    cells_VK = torch.full((labels, LABELS), IGNORE)
    cells_VK[::LABELLED] = PLAIN
    rest = {"documents_BT": documents_T.int(), "positions_BT": positions_T, "kinds_BT": torch.zeros(length).short()}
    of_rows = {"tokens_BT": tokens_T, "targets_BT": targets_T, "weights_BT": (targets_T != IGNORE).float(), **rest}
    return Batch(
        **{name: value_T.repeat(rows, 1) for name, value_T in of_rows.items()},
        kinds=("typical",),
        tiles_NSS3=torch.zeros(0, 1, 1, 3, dtype=torch.uint8),
        cells_VK=cells_VK,
        looks_L5=torch.zeros(0, 5, dtype=torch.int64),
    )


def _with_places(tokens_T: torch.Tensor, held: Filling, model: config.Model) -> torch.Tensor:
    """Image tokens at the front of documents, as many tiles in each as fit."""
    left, start = held.tiles, 0
    for length in held.lengths:
        fits = min(left, length // (model.tokens_per_tile + 2))
        for tile in range(fits):
            place = start + tile * (model.tokens_per_tile + 2) + 1
            tokens_T[place : place + model.tokens_per_tile] = model.image_token
        left, start = left - fits, start + length
    return tokens_T


def imbalance(stage: config.Train, held: Filling, cost: Cost, ranks: int, together: int, micro: int) -> float:
    """How far a step is over its mean cost, as a share, since ranks wait for each other.

    Rows of one step are drawn around `held` and dealt to `ranks` ranks. Those of a group of `together` share weights
    and wait in every micro-batch of `micro` rows; groups wait at the step's end.
    """
    rng = np.random.default_rng(0)
    rows, length = stage.pack.rows, stage.pack.row_tokens
    lengths_RP = np.array(held.lengths) * rng.lognormal(0, SPREAD, (rows, len(held.lengths)))
    lengths_RP *= length / lengths_RP.sum(1, keepdims=True)
    tiles_R = rng.poisson(held.tiles / PICTURE, rows) * PICTURE
    costs_R = length * cost.token + cost.pair * np.square(lengths_RP).sum(1) + cost.tile * tiles_R
    costs_KM = costs_R[deal(costs_R.astype(np.int64), ranks)]
    steps = [costs_KM[:, at : at + micro].sum(1) for at in range(0, costs_KM.shape[1], micro)]
    waits = np.stack([costs_K.reshape(-1, together).max(1) for costs_K in steps]).sum(0)
    return float(waits.max() / costs_KM.sum(1).mean() - 1)
