"""A step in parts: cut into micro-batches of whole rows, which two CPU threads may run side by side.

Unusual: on a CPU two halves of a step, a thread each, are faster than every operation shared by two threads (the small
operations of a small model spend their time waiting for each other). Gradients stay exact to the bit: two addends give
one sum in either order, so no more than two parts ever run at once and add up.

Shape legend: B rows, T tokens, L looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from lapis.types import Batch

MICRO_TOKENS = 16384
"""Most tokens of a forward and backward; a larger step is cut into micro-batches (bounds activation memory)."""
TILE_TOKENS = 256
"""What a tile costs in tokens of text (ours, measured in the pocket model): halves should take equally long."""

Part = TypeVar("Part")
Done = TypeVar("Done")


def cut(batch: Batch, tiles_B: Tensor, lanes: int, most: int = MICRO_TOKENS) -> list[Batch]:
    """Micro-batches of one step: two of about equal work for two lanes where they hold it, else of at most `most`
    tokens (or one row). `tiles_B` int64 [B] counts each row's tiles, on the host."""
    rows, length = batch.tokens_BT.shape
    if lanes > 1 and 1 < rows <= 2 * max(1, most // length):
        return list(parts(batch, tiles_B, [0, _middle(tiles_B, length), rows]))
    step = max(1, most // length)
    if step >= rows:
        return [batch]
    return list(parts(batch, tiles_B, [*range(0, rows, step), rows]))


def run(work: Callable[[Part], Done], parts: Sequence[Part], lanes: int) -> list[Done]:
    """`work` on each part, in order; side by side where there are two parts and two lanes."""
    if lanes > 1 and len(parts) == 2:
        return list(_pool().map(work, parts))
    return [work(part) for part in parts]


@cache
def _pool() -> ThreadPoolExecutor:
    """Two threads that share no operation with another thread."""
    return ThreadPoolExecutor(2, "lane", initializer=torch.set_num_threads, initargs=(1,))


def _middle(tiles_B: Tensor, length: int) -> int:
    """The first row of the second half, by work."""
    done_B = (tiles_B * TILE_TOKENS + length).cumsum(0)
    return 1 + int((done_B[:-1] * 2 - done_B[-1]).abs().argmin())


def parts(batch: Batch, tiles_B: Tensor, bounds: Sequence[int]) -> Iterator[Batch]:
    """The rows between bounds with their own tiles, cells and looks."""
    ends = [0, *tiles_B.cumsum(0).tolist()]
    per_tile = len(batch.cells_VK) // max(len(batch.tiles_NSS3), 1)
    for start, stop in zip(bounds, bounds[1:], strict=False):
        of_rows = {field.name: getattr(batch, field.name)[start:stop] for field in fields(batch) if "_BT" in field.name}
        tiles = batch.tiles_NSS3[ends[start] : ends[stop]]
        cells = batch.cells_VK[ends[start] * per_tile : ends[stop] * per_tile]
        within_L = (batch.looks_L5[:, 0] >= start) & (batch.looks_L5[:, 0] < stop)
        looks = batch.looks_L5[within_L] - batch.looks_L5.new_tensor([start, 0, 0, 0, 0])
        yield replace(batch, **of_rows, tiles_NSS3=tiles, cells_VK=cells, looks_L5=looks)
