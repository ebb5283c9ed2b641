"""What a training process stands on (device, precision, threads, seed), and what it does when a number is not one.

Determinism: with a fixed number of threads on a CPU, a step is a pure function of weights, optimizer state and batch,
so a run that goes back to its last checkpoint has the losses of one that never stopped, bit for bit.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from lapis import config
from lapis.types import InputError

log = logging.getLogger(__name__)

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of mallopt's parameters in glibc's malloc.h."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a process computes."""

    device: torch.device
    dtype: torch.dtype
    """Of matrix products; parameters and optimizer stay fp32."""
    compiled: bool = False
    lanes: int = 1
    """Parts of a step that run at once: two on a CPU with two threads or more (lapis/train/micro.py)."""


def prepare(recipe: config.Recipe) -> Place:
    """Set threads and seed from the recipe, choose device and precision. Raises InputError for a GPU not there."""
    torch.set_num_threads(recipe.threads or cores())
    keep_memory()
    torch.manual_seed(recipe.seed)
    device = device_of(recipe.device)
    lanes = 2 if device.type == "cpu" and torch.get_num_threads() > 1 else 1
    return Place(device, dtype_of(recipe.dtype, device), recipe.compile, lanes)


def keep_memory() -> None:
    """Ask glibc to keep freed memory: a step's activations come back every step (6% of a step's time, measured)."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, 2**30)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_of(name: str) -> torch.device:
    """`auto` takes a GPU when there is one."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("device: cuda is not available here, expected auto or cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bf16 on a GPU and on a CPU with bf16 instructions (AVX512-BF16 or AMX), else fp32."""
    if name == "auto":
        quick = device.type == "cuda" or cpu_has_bf16()
        return torch.bfloat16 if quick else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 by instructions of its own."""
    features = torch.cpu.get_capabilities()
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))


class NonFinite(Exception):
    """A step's loss or gradient norm was not a finite number; nothing was updated."""

    def __init__(self, step: int, reason: str):
        super().__init__(f"step {step}: {reason}")
        self.step = step


def check(step: int, loss: float, grad_norm: float) -> None:
    """Raises NonFinite, before the weights are touched."""
    for name, value in (("loss", loss), ("gradient norm", grad_norm)):
        if not math.isfinite(value):
            raise NonFinite(step, f"{name} is {value}")


@dataclass(slots=True)
class Skips:
    """Batches that are left out because they broke a step. They are kept in every checkpoint."""

    stage: str
    steps: set[int] = field(default_factory=set)

    def restore(self, steps: Iterable[int]) -> None:
        """Add what a checkpoint knew; a skip decided since then stays."""
        self.steps |= set(steps)

    def add(self, fault: NonFinite) -> None:
        """Leave a batch out, and say so. Raises InputError the second time: then not the batch is at fault."""
        if self.steps:
            earlier = ", ".join(map(str, sorted(self.steps)))
            raise InputError(
                f"{self.stage}: {fault}, after the batch of step {earlier} was skipped for the same; "
                "lower its learning rates or look at its data"
            )
        self.steps.add(fault.step)
        log.warning("%s: %s; going back to the last checkpoint and skipping the batch of that step", self.stage, fault)
