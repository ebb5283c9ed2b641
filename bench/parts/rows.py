"""Samples to pack, made with a heavy tail of images or read from a run's index, and rows as one would pack them simply.

Shape legend: P samples or pieces, R rows of a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lapis import config
from lapis.data import pack as packing
from lapis.data.deal import Cost
from lapis.data.mixture import Mixture, Stream, match
from lapis.data.shards import Shards
from lapis.named import recipe_in

Ints = npt.NDArray[np.int64]
KINDS = ("caption", "prose", "screen")
SHARES = {"prose": 0.3, "caption": 0.4, "screen": 0.3}
TAIL = 1.1
"""Exponent of the Pareto law of tiles a sample: the mean is ruled by few samples with very many."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """Samples and how a stage draws and packs them."""

    pieces: packing.Pieces
    kinds: tuple[str, ...]
    mixture: Mapping[str, float]
    pack: config.Pack

    def plan(self, steps: int, seed: int) -> packing.Plan:
        return packing.make_plan(self.pieces, self.kinds, self.mixture, {}, self.pack, steps, seed)

    def order(self, count: int, seed: int) -> Ints:
        """Pieces [P] in the order in which the mixture draws them."""
        owner = [match(kind, self.mixture) for kind in self.kinds]
        streams = []
        for prefix, weight in self.mixture.items():
            own = [number for number, name in enumerate(owner) if name == prefix]
            members = np.flatnonzero(np.isin(self.pieces.kind, own))
            streams.append(Stream(prefix, weight if len(members) else 0.0, members, float("inf")))
        return Mixture(streams, seed).draw(count)


def heavy_tailed(model: config.Model, pack: config.Pack, samples: int = 40_000, seed: int = 0) -> Mixed:
    """Prose without images, and captions and screens of few words with one to very many tiles."""
    rng = np.random.default_rng(seed)
    kind_P = rng.choice(3, samples, p=[SHARES[kind] for kind in KINDS])
    prose_P = kind_P == KINDS.index("prose")
    words_P = np.where(prose_P, rng.lognormal(6.6, 1.1, samples), rng.lognormal(4.0, 0.8, samples)).astype(np.int64) + 8
    most = model.anyres.columns * model.anyres.rows + 1
    tiles_P = np.where(prose_P, 0, np.minimum(rng.pareto(TAIL, samples) + 1, most)).astype(np.int64)
    lengths_P = words_P + tiles_P * (model.tokens_per_tile + 2)
    return Mixed(packing.cut_pieces(lengths_P, tiles_P, kind_P, prose_P, KINDS, pack), KINDS, SHARES, pack)


def of_run(folder: Path) -> tuple[Mixed, config.Model]:
    """A run's samples as its longest stage with images packs them, and its model."""
    recipe = recipe_in(folder)
    stages = [stage for stage in recipe.stages if isinstance(stage, config.Train)]
    stage = max(stages, key=lambda one: (one.pack.tiles > 0, one.steps * one.pack.rows))
    index = Shards(shards_of(folder))
    pieces = packing.cut_pieces(index.lengths, index.tiles, index.kind, index.documents, index.kinds, stage.pack)
    return Mixed(pieces, index.kinds, stage.mixture, stage.pack), recipe.model


def shards_of(folder: Path) -> Path:
    """Where a run's shards lie."""
    return folder / recipe_in(folder).data.name / "shards"


def first_come(mixed: Mixed, steps: int, seed: int) -> packing.Plan:
    """Rows filled in the order of drawing: a sample that does not fit begins the next row, or the next step."""
    pack, pieces = mixed.pack, mixed.pieces
    rows: list[list[int]] = [[]]
    tokens = tiles = 0
    for piece in mixed.order(2 * steps * pack.rows * pack.row_tokens // int(pieces.length.mean()), seed).tolist():
        length, many = int(pieces.length[piece]), int(pieces.tiles[piece])
        if tiles + many > pack.tiles:
            rows += [[] for _ in range(-len(rows) % pack.rows + 1)]
            tokens = tiles = 0
        elif tokens + length > pack.row_tokens:
            tiles = 0 if len(rows) % pack.rows == 0 else tiles
            rows.append([])
            tokens = 0
        rows[-1].append(piece)
        tokens, tiles = tokens + length, tiles + many
    return _plan(rows[: steps * pack.rows], pack.rows)


def padded(mixed: Mixed, steps: int, seed: int) -> packing.Plan:
    """A sample a row, in the order of drawing."""
    return _plan([[piece] for piece in mixed.order(2 * steps * mixed.pack.rows, seed).tolist()], mixed.pack.rows, steps)


def _plan(rows: list[list[int]], each: int, steps: int = 0) -> packing.Plan:
    rows = rows[: (steps or len(rows) // each) * each]
    starts = np.cumsum([0, *(len(row) for row in rows)])
    return packing.Plan(np.array([piece for row in rows for piece in row], dtype=np.int64), starts, each, {})


def costs_of(mixed: Mixed, cost: Cost, plan: packing.Plan) -> list[Ints]:
    """Cost [R] of the rows of every step."""
    return [cost.rows(mixed.pieces, plan, step) for step in range(plan.steps)]
