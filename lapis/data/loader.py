"""Planned rows become batches, ahead of the trainer.

A batch is a pure function of (shards, plan, step), so that resuming needs a step's number only; a rank's batch is its
share of the same rows (deal.py). Shards may lie in an object store, and those of coming steps are fetched ahead of the
batches (cache.py). Unusual: threads of our own read ahead (tiles are decoded there) instead of Grain, whose threads
outlive its iterator for a moment: here closing waits for them, so that a stage ends with no thread left.

Shape legend: B rows, T tokens of a row, N tiles, S pixels of a tile's side, V image tokens, K labels of one,
L looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from lapis import chat, config
from lapis.data import pack as packing
from lapis.data.deal import TOKENS, Cost, deal, share_of
from lapis.data.labels import LABELS
from lapis.data.looks import COLUMNS
from lapis.data.position import Position
from lapis.data.shards import Shards, cells_array
from lapis.data.tokenise import Cutter, Example, example, unpng
from lapis.types import IGNORE, Batch, InputError, Sample

MOVED = np.array([1, 1, 0, 0])
"""Of a look's numbers, those that are positions."""
THREADS, AHEAD = 2, 4
"""Batches made at once, and batches kept ready: enough to hide tile decoding behind a step."""


@dataclass(frozen=True, slots=True)
class TileShape:
    """What a tile is."""

    side: int
    """Pixels; 0 where the shards hold no tile at all."""
    tokens: int
    """Image tokens."""


class Source(Protocol):
    """Where a sample's tokens are read."""

    def read(self, number: int) -> Example: ...


@dataclass(frozen=True, slots=True)
class _Rows:
    """Examples in memory as a source."""

    examples: Sequence[Example]

    def read(self, number: int) -> Example:
        return self.examples[number]


class Loader:
    """Batches of a stage; `shards_root` is a local folder or a URL, whose shards are kept as `cache` says.

    `share` (rank, ranks) gives a rank its rows of each step, dealt by `cost`; the steps are those of one rank alone.
    `steps` is how many steps there are: the wanted number, or fewer where every kind reached its most passes (a step
    past it raises InputError). `left_out` counts samples per kind that fit in no row, `passes` the passes over each
    mixture entry. The plan is saved beside the shards (those of a URL: in the cache) and read from there when the same
    stage begins again. Raises InputError for damaged shards, a mixture that matches no sample, and ranks that do not
    divide the rows.
    """

    def __init__(
        self,
        shards_root: Path | str,
        mixture: dict[str, float],
        pack: config.Pack,
        steps: int,
        seed: int,
        epochs: dict[str, int],
        tokens_per_tile: int,
        tokenizer: str | None = None,
        share: tuple[int, int] = (0, 1),
        cost: Cost = TOKENS,
        cache: config.Cache | None = None,
    ):
        self.rank, self.ranks = share
        self.pack, self.part, self.cost = pack, share_of(pack, self.ranks), cost
        self.cache = cache or config.Cache()
        self.shards = Shards(shards_root, tokenizer, self.cache)
        self.kinds = self.shards.kinds
        self.shape = TileShape(self.shards.side, tokens_per_tile)
        index = self.shards
        self.pieces = packing.cut_pieces(index.lengths, index.tiles, index.kind, index.documents, index.kinds, pack)
        self.plan = self._planned(mixture, steps, seed, epochs)
        self.steps = self.plan.steps
        self.left_out = self.pieces.left_out
        self.passes = self.plan.passes
        self._position = Position(self.pieces, self.kinds, self.plan, mixture)

    def _planned(self, mixture: Mapping[str, float], steps: int, seed: int, epochs: Mapping[str, int]) -> packing.Plan:
        name = packing.plan_name(self.shards.digest, list(mixture.items()), epochs, self.pack, steps, seed)
        path = self.shards.plans / name
        if not path.is_file():
            plan = packing.make_plan(self.pieces, self.kinds, mixture, epochs, self.pack, steps, seed)
            packing.save_plan(path, plan)
        return packing.load_plan(path)

    def batch(self, step: int) -> Batch:
        """This rank's rows of a step."""
        if not 0 <= step < self.steps:
            raise InputError(f"step {step}: the data holds {self.steps} steps; lower `steps` or raise `epochs`")
        return assemble(self._rows(step), self.pieces, self.shards, self.kinds, self.part, self.shape)

    def position(self, step: int) -> dict[str, float]:
        """Passes of all ranks over each mixture entry after so many steps."""
        return self._position.after(step)

    def _rows(self, step: int) -> list[packing.Ints]:
        """Piece numbers of this rank's rows."""
        mine = deal(self.cost.rows(self.pieces, self.plan, step), self.ranks)[self.rank]
        return [self.plan.row(step, row) for row in mine.tolist()]

    def _samples(self, step: int) -> packing.Ints:
        """Samples that a step's batch reads, in order."""
        return self.pieces.sample[np.concatenate(self._rows(step))]

    def iterate(self, start: int = 0) -> Iterator[Batch]:
        """Batches from a step on, read ahead. Closing the generator (`close()`, or its end) ends the threads first."""
        steps = iter(range(start, self.steps))
        soon = iter(range(start, self.steps) if self.cache.ahead else ())
        with self.shards.ahead(self._samples) as fetch, ThreadPoolExecutor(THREADS, "lapis-loader") as pool:
            for step in islice(soon, self.cache.ahead):
                fetch(step)
            ahead = deque(pool.submit(self.batch, step) for step in islice(steps, AHEAD))
            try:
                while ahead:
                    batch = ahead.popleft().result()
                    ahead.extend(pool.submit(self.batch, step) for step in islice(steps, 1))
                    for step in islice(soon, 1):
                        fetch(step)
                    yield batch
            finally:
                pool.shutdown(cancel_futures=True)


def eval_batches(
    samples: Sequence[Sample], tokenizer: chat.Tokenizer, model: config.Model, pack: config.Pack
) -> Iterator[Batch]:
    """Every sample once, packed in order of length; what fits in no row is left out. For held-out losses by kind."""
    cutter = Cutter(tokenizer, model)
    yield from batches_of([example(sample, tokenizer, model, cutter) for sample in samples], model, pack)


def batches_of(examples: Sequence[Example], model: config.Model, pack: config.Pack) -> Iterator[Batch]:
    """Every example once, as `eval_batches` has samples."""
    kinds = tuple(sorted({one.kind for one in examples}))
    pieces = packing.cut_pieces(
        np.array([len(one.ids) for one in examples], dtype=np.int64),
        np.array([len(one.tiles) for one in examples], dtype=np.int64),
        np.array([kinds.index(one.kind) for one in examples], dtype=np.int64),
        np.array([one.document for one in examples], dtype=bool),
        kinds,
        pack,
    )
    shape = TileShape(model.vit.tile, model.tokens_per_tile)
    for rows in packing.pack_once(pieces, pack):
        yield assemble(rows, pieces, _Rows(examples), kinds, pack, shape)


def assemble(
    rows: Sequence[Sequence[int] | npt.NDArray[np.int64]],
    pieces: packing.Pieces,
    source: Source,
    kinds: tuple[str, ...],
    pack: config.Pack,
    tile: TileShape,
) -> Batch:
    """Rows of piece numbers as one batch of B = pack.rows rows, T = pack.row_tokens; rows may be fewer (padding)."""
    rows_of = _Arrays.empty(pack)
    pngs: list[bytes] = []
    cells: list[bytes] = []
    looks = [np.zeros((0, 1 + COLUMNS), np.int64)]
    for row, members in enumerate(rows):
        at = 0
        for document, piece in enumerate(members):
            one = source.read(int(pieces.sample[piece]))
            first, many = int(pieces.start[piece]), int(pieces.length[piece])
            rows_of.place(one, slice(first, first + many), row, at)
            rows_of.documents[row, at : at + many] = document
            rows_of.kinds[row, at : at + many] = pieces.kind[piece]
            pngs += one.tiles
            cells += one.cells
            looks.append(np.insert(one.looks.astype(np.int64) + MOVED * at, 0, row, axis=1))
            at += many
    return Batch(
        tokens_BT=torch.from_numpy(rows_of.tokens),
        targets_BT=torch.from_numpy(rows_of.targets),
        weights_BT=torch.from_numpy((rows_of.targets != IGNORE).astype(np.float32)),
        documents_BT=torch.from_numpy(rows_of.documents),
        positions_BT=torch.from_numpy(rows_of.positions),
        kinds_BT=torch.from_numpy(rows_of.kinds),
        kinds=kinds,
        tiles_NSS3=_tiles(pngs, tile.side),
        cells_VK=_cells(cells, len(pngs) * tile.tokens),
        looks_L5=torch.from_numpy(np.concatenate(looks)),
    )


@dataclass(frozen=True, slots=True)
class _Arrays:
    """The [B, T] arrays of a batch while it is filled."""

    tokens: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int16]

    @classmethod
    def empty(cls, pack: config.Pack) -> _Arrays:
        shape = (pack.rows, pack.row_tokens)
        return cls(
            np.zeros(shape, np.int64),
            np.full(shape, IGNORE, np.int64),
            np.full(shape, -1, np.int32),
            np.zeros(shape, np.int64),
            np.full(shape, -1, np.int16),
        )

    def place(self, one: Example, part: slice, row: int, at: int) -> None:
        """Tokens of a part of an example; targets are shifted inside it, and its last token predicts nothing."""
        ids, trained = one.ids[part], one.trained[part]
        self.tokens[row, at : at + len(ids)] = ids
        self.targets[row, at : at + len(ids) - 1] = np.where(trained[1:], ids[1:], IGNORE)
        self.positions[row, at : at + len(ids)] = np.arange(len(ids))


def _tiles(pngs: Sequence[bytes], side: int) -> torch.Tensor:
    if not pngs:
        return torch.zeros(0, side, side, 3, dtype=torch.uint8)
    return torch.from_numpy(np.stack([unpng(png) for png in pngs]))


def _cells(cells: Sequence[bytes], count: int) -> torch.Tensor:
    found = cells_array(cells) if cells else np.zeros((0, LABELS), np.int32)
    if len(found) != count:
        raise InputError(f"shards: labels of {len(found)} image tokens, expected {count}; run the data stage again")
    return torch.from_numpy(found.astype(np.int64))
