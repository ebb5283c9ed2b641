"""Training steps of the pocket model on made batches, alone and over processes, and how long they take.

Shape legend: B rows, T tokens.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lapis import config
from lapis.data.labels import LABELS
from lapis.dist import guard, heap
from lapis.dist import mesh as meshes
from lapis.model import init
from lapis.recipes import pocket
from lapis.train import step
from lapis.types import IGNORE, Batch

DOCUMENTS = 3
"""Documents of a row."""


def stage(**changes: Any) -> config.Train:
    """Pocket's `joint-b`, whose losses are all plain: next token, cells and places."""
    made = next(one for one in pocket.recipe().stages if isinstance(one, config.Train) and one.name == "joint-b")
    return replace(made, **{"look_weight": 0.0, "number_weight": 0.0, "watch_every": 0, **changes})


def batch(model: config.Model, rows: int, length: int, tiles: int, seed: int = 0) -> Batch:
    """Random tokens in documents of equal length; the tiles stand at the front of the rows, as many in each as fit."""
    rng = torch.Generator().manual_seed(seed)
    tokens_BT = torch.randint(20, model.decoder.vocab, (rows, length), generator=rng)
    positions_T = torch.arange(length) % (length // DOCUMENTS)
    documents_T = (torch.arange(length) // (length // DOCUMENTS)).int()
    for tile in range(tiles):
        row, place = tile % rows, tile // rows * (model.tokens_per_tile + 2)
        tokens_BT[row, place : place + model.tokens_per_tile] = model.image_token
    targets_BT = tokens_BT.roll(-1, 1).masked_fill(tokens_BT.roll(-1, 1) == model.image_token, IGNORE)
    side, labels = model.vit.tile, tiles * model.tokens_per_tile
    return Batch(
        tokens_BT=tokens_BT,
        targets_BT=targets_BT,
        weights_BT=(targets_BT != IGNORE).float(),
        documents_BT=documents_T.expand(rows, -1).contiguous(),
        positions_BT=positions_T.expand(rows, -1).contiguous(),
        kinds_BT=torch.zeros(rows, length, dtype=torch.int16),
        kinds=("made",),
        tiles_NSS3=torch.randint(0, 256, (tiles, side, side, 3), generator=rng, dtype=torch.uint8),
        cells_VK=torch.full((labels, LABELS), IGNORE, dtype=torch.int64),
        looks_L5=torch.zeros(0, 5, dtype=torch.int64),
    )


def trainer(model: config.Model, entry: config.Train, place: guard.Place, mesh: meshes.Mesh) -> step.Trainer:
    """The pocket network with fresh weights."""
    return step.build(step.wrap(init.fresh(model, 0)), entry, place, mesh=mesh)


def seconds(work: Callable[[int], object], times: int) -> float:
    """Median seconds of a call, after one that does not count."""
    work(0)
    found = []
    for number in range(1, times + 1):
        began = time.perf_counter()
        work(number)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def place(threads: int) -> guard.Place:
    """This machine with so many threads, in its own precision."""
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    return guard.Place(device, guard.dtype_of("auto", device), lanes=1)


def processes(work: Callable[..., Any], count: int, folder: Path, *args: Any) -> list[float]:
    """What `work(*args)` measures in each of so many gloo processes of one thread."""
    folder.mkdir(parents=True, exist_ok=True)
    mp.spawn(_begin, (work, count, folder, args), nprocs=count)
    return [float((folder / f"{rank}.txt").read_text()) for rank in range(count)]


def _begin(rank: int, work: Callable[..., float], count: int, folder: Path, args: Sequence[Any]) -> None:
    heap.keep()
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=count)
    (folder / f"{rank}.txt").write_text(str(work(*args)))
    dist.barrier()
    dist.destroy_process_group()
