"""Whether a node is fit to train: versions, disk, devices, and its processes' products and the link between them.

Unusual: matrices of small whole numbers have products that every precision holds exactly, so a right answer is equal
and not close. Processes are new ones with a time limit: a device that hangs, hangs them and not the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import lapis
from lapis import config
from lapis.dist import guard
from lapis.dist.speed import product
from lapis.said import last_line
from lapis.types import InputError

SUMMED = {"cuda": 2**26, "cpu": 2**20}
"""Numbers (fp32) that the node's processes sum up."""
REPEATS = 10
SLOW = 0.5
"""Share of the median of a node's GPUs below which one is too slow (ours; a CPU's processes share its cores)."""
WRITTEN = 2**25
"""Bytes of the file that is written and read."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    text: str
    well: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What one process measured."""

    right: bool
    tflops: float
    summed: bool
    link: float
    """GB/s; 0 where it is alone."""


def require(recipe: config.Recipe, folder: Path) -> None:
    """Raises InputError with the first check that this node does not pass."""
    for check in checks(recipe, folder):
        if not check.well:
            raise InputError(f"preflight, {check.name}: {check.text}")


def checks(recipe: config.Recipe, folder: Path) -> Iterator[Check]:
    """All checks of this node, each as soon as it is made; `folder` is the run's."""
    versions = f"lapis {lapis.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    yield Check("versions", versions)
    yield _disk(folder, recipe.dist.floor.disk)
    yield (seen := _devices(recipe))
    if seen.well:
        yield from _together(recipe)


def _disk(folder: Path, least: float) -> Check:
    """Room in the run folder, and a file that comes back as it was written."""
    path = folder / f".preflight-{socket.gethostname()}-{os.getpid()}"
    content = os.urandom(2**20) * (WRITTEN // 2**20)
    began = time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        same = _through(path, content) == hashlib.sha256(content).digest()
        free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Check("disk", f"{folder} cannot be written ({error.strerror})", False)
    finally:
        with suppress(OSError):
            path.unlink()
    speed = WRITTEN / 1e6 / (time.perf_counter() - began)
    if not same:
        return Check("disk", f"{folder}: a file was read otherwise than it was written", False)
    text = f"{free:.1f} GB free, {speed:.0f} MB/s written and read"
    return Check("disk", text if free >= least else f"{text}; expected {least:g} GB or more", free >= least)


def _through(path: Path, content: bytes) -> bytes:
    """The SHA-256 of what comes back from the disk itself, where the system can be asked to forget its copy."""
    with path.open("w+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").digest()


def _devices(recipe: config.Recipe) -> Check:
    """A GPU for each process where they compute on GPUs."""
    try:
        device = guard.device_of(recipe.device)
    except InputError as error:
        return Check("devices", str(error), False)
    if device.type == "cpu":
        return Check("devices", f"{guard.cores()} cores, no GPU in use")
    seen, wanted = torch.cuda.device_count(), recipe.dist.nproc
    text = f"{seen} x {torch.cuda.get_device_name()}"
    return Check("devices", text if seen >= wanted else f"{text}; expected {wanted} of them", seen >= wanted)


def _together(recipe: config.Recipe) -> Iterator[Check]:
    """What needs processes: products and the link."""
    with tempfile.TemporaryDirectory() as place:
        try:
            _spawn(recipe, place)
        except (mp.ProcessRaisedException, mp.ProcessExitedException, TimeoutError) as error:
            yield Check("processes", last_line(str(error)), False)
            return
        found = [Found(**json.loads((Path(place) / f"{rank}").read_text())) for rank in range(recipe.dist.nproc)]
    floor = recipe.dist.floor
    yield products([one.right for one in found], [one.tflops for one in found], floor.tflops, _share(recipe))
    if len(found) > 1:
        yield link([one.summed for one in found], min(one.link for one in found), floor.link)


def _share(recipe: config.Recipe) -> float:
    return SLOW if guard.device_of(recipe.device).type == "cuda" else 0.0


def products(right: list[bool], tflops: list[float], least: float, share: float) -> Check:
    """Each process's product is right, as fast as stated, and not far slower than the others'."""
    least = max(least, share * statistics.median(tflops))
    for rank, (fits, speed) in enumerate(zip(right, tflops, strict=True)):
        if not fits:
            return Check("products", f"process {rank}: a product of matrices is wrong", False)
        if speed < least:
            return Check("products", f"process {rank}: {speed:.3g} TFLOP/s, expected {least:.3g} or more", False)
    return Check("products", f"right, {min(tflops):.3g} to {max(tflops):.3g} TFLOP/s a process")


def link(right: list[bool], speed: float, least: float) -> Check:
    """What the processes summed up is right, and was as fast as stated."""
    if not all(right):
        return Check("link", f"process {right.index(False)}: a sum over the processes is wrong", False)
    text = f"{speed:.3g} GB/s"
    return Check("link", text if speed >= least else f"{text}, expected {least:g} or more", speed >= least)


def _spawn(recipe: config.Recipe, place: str) -> None:
    """Raises TimeoutError where the processes do not come back."""
    patience = recipe.dist.patience
    context = mp.spawn(_probe, (config.dump(recipe), place), nprocs=recipe.dist.nproc, join=False)
    end = time.monotonic() + patience
    try:
        while not context.join(timeout=1.0):
            if time.monotonic() > end:
                raise TimeoutError(f"no answer after {patience:g} s")
    finally:
        for process in context.processes:
            if process.is_alive():
                process.kill()


def _probe(rank: int, text: str, place: str) -> None:
    """One process's part."""
    recipe = config.load(text)
    device = guard.device_of(recipe.device)
    processes, patience = recipe.dist.nproc, timedelta(seconds=recipe.dist.patience)
    torch.set_num_threads(max(1, guard.cores() // processes))
    if device.type == "cuda":
        torch.cuda.set_device(rank)
    backend = "nccl" if device.type == "cuda" else "gloo"
    store = dist.FileStore(f"{place}/store", processes)
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes, timeout=patience)
    summed, speed = _sum(device, processes)
    tflops = product(device, torch.bfloat16 if device.type == "cuda" else torch.float32) / 1e12
    found = {"right": _right(device), "tflops": tflops, "summed": summed, "link": speed}
    dist.destroy_process_group()
    (Path(place) / f"{rank}").write_text(json.dumps(found))


def _right(device: torch.device) -> bool:
    """Whether (A B) x = A (B x), with A and B on the device and whole numbers throughout."""
    draw = torch.Generator().manual_seed(0)
    a_NN, b_NN = (torch.randint(-4, 5, (1024, 1024), generator=draw).float() for _ in range(2))
    x_N = torch.randint(-4, 5, (1024,), generator=draw)
    product_NN = (a_NN.to(device) @ b_NN.to(device)).cpu().long()
    return bool((product_NN @ x_N == a_NN.long() @ (b_NN.long() @ x_N)).all())


def _sum(device: torch.device, processes: int) -> tuple[bool, float]:
    """Whether a sum over the processes is right, and its GB/s in NCCL's count of what passes a link."""
    rank = dist.get_rank()
    ours = torch.full((SUMMED[device.type],), float(rank + 1), device=device)
    dist.all_reduce(ours)
    right = bool((ours == processes * (processes + 1) // 2).all())
    passed = 4 * len(ours) * 2 * (processes - 1) / processes
    return right, passed * REPEATS / 1e9 / _seconds(lambda: dist.all_reduce(ours), device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Of REPEATS times the work, after one time that does not count."""
    began = 0.0
    for number in range(REPEATS + 1):
        if number == 1:
            _wait(device)
            began = time.perf_counter()
        work()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
