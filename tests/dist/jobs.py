"""Real processes for tests: gloo over a file, one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def run(work: Callable[..., Any], processes: int, folder: Path, *args: Any) -> list[Any]:
    """What `work(*args)` returns in each of so many processes of one group, by rank. Passes on the first error."""
    folder.mkdir(parents=True, exist_ok=True)
    mp.spawn(_begin, (work, processes, folder, args), nprocs=processes)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(processes)]


def _begin(rank: int, work: Callable[..., Any], processes: int, folder: Path, args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = str(rank)  # DeepSpeed asks for it; torch's elastic agent sets it
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=processes)
    torch.save(work(*args), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
