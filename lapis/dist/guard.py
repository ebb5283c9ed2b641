"""What a training process stands on (device, precision, threads, seed), and what it does when a number is not one.

Determinism: with a fixed number of threads on a CPU, a step is a pure function of weights, optimizer state and batch,
so a run that goes back to its last checkpoint has the losses of one that never stopped, bit for bit.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import statistics
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from lapis import config
from lapis.dist import heap
from lapis.types import InputError

log = logging.getLogger(__name__)

WINDOW, LEAST, MOST = 50, 0.02, 3
"""Steps that a loss is compared with, the smallest typical deviation as a share of the loss, and batches left out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a process computes."""

    device: torch.device
    dtype: torch.dtype
    """Of matrix products; parameters and optimizer stay fp32."""
    compiled: bool = False
    lanes: int = 1
    """Parts of a step that run at once: two on a CPU with two threads or more (lapis/train/micro.py)."""


def prepare(recipe: config.Recipe, processes: int = 1) -> Place:
    """Set threads and seed from the recipe, choose device and precision; `processes` share this machine's cores.

    Raises InputError for a GPU that is not there.
    """
    torch.set_num_threads(recipe.threads or max(1, cores() // processes))
    heap.keep()
    torch.manual_seed(recipe.seed)
    device = device_of(recipe.device)
    lanes = 2 if device.type == "cpu" and torch.get_num_threads() > 1 and processes == 1 else 1
    return Place(device, dtype_of(recipe.dtype, device), recipe.compile, lanes)


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


class Fault(Exception):
    """A step that must not count; nothing was updated."""

    def __init__(self, step: int, reason: str):
        super().__init__(f"step {step}: {reason}")
        self.step, self.reason = step, reason


class NonFinite(Fault):
    """A step's loss or gradient norm was not a finite number."""


class Spike(Fault):
    """A step's loss was far above those before it."""


def check(step: int, loss: float, grad_norm: float) -> None:
    """Raises NonFinite, before the weights are touched."""
    for name, value in (("loss", loss), ("gradient norm", grad_norm)):
        if not math.isfinite(value):
            raise NonFinite(step, f"{name} is {value}")


@dataclass(slots=True)
class Spikes:
    """Finds a loss that lies more than `limit` typical deviations above the median of the steps before; 0 finds none.

    The rule is ours: the median and the median deviation of a window are moved by no single step.
    """

    limit: float
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def check(self, step: int, loss: float) -> None:
        """Raises Spike, before the weights are touched; else the loss joins the window."""
        if self.limit and len(self.losses) == WINDOW:
            middle = statistics.median(self.losses)
            typical = statistics.median(abs(one - middle) for one in self.losses)
            if loss > middle + self.limit * max(typical, LEAST * abs(middle)):
                raise Spike(step, f"loss is {loss:.3f}, and {middle:.3f} was usual")
        self.losses.append(loss)


@dataclass(slots=True)
class Skips:
    """Batches that are left out because they broke a step. They are kept in every checkpoint."""

    stage: str
    steps: set[int] = field(default_factory=set)
    spiked: set[int] = field(default_factory=set)
    """Steps whose loss was too high once: tried again from the last checkpoint first."""

    def restore(self, steps: Iterable[int]) -> None:
        """Add what a checkpoint knew; a skip decided since then stays."""
        self.steps |= set(steps)

    def add(self, fault: Fault) -> None:
        """Try again, or leave a batch out, and say so.

        Raises InputError for the second batch whose numbers are none, or the fourth that is left out: then not the
        batches are at fault.
        """
        if isinstance(fault, Spike) and fault.step not in self.spiked:
            self.spiked.add(fault.step)
            log.warning("%s: %s; going back to the last checkpoint", self.stage, fault)
            return
        if len(self.steps) >= (1 if isinstance(fault, NonFinite) else MOST):
            earlier = ", ".join(map(str, sorted(self.steps)))
            raise InputError(
                f"{self.stage}: {fault}, after the batch of step {earlier} was skipped for the same; "
                "lower its learning rates or look at its data"
            )
        self.steps.add(fault.step)
        log.warning("%s: %s; going back to the last checkpoint and skipping the batch of that step", self.stage, fault)


class Stop:
    """Whether SIGTERM came; a context manager around work that can end at its next good place.

    Afterwards the signal is passed on to who handled it before. Outside a main thread it knows of no signal.
    """

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> Stop:
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.signal(signal.SIGTERM, self._note)
        return self

    def _note(self, number: int, frame: object) -> None:
        self.wanted = True

    def __exit__(self, *error: object) -> None:
        if self.main:
            signal.signal(signal.SIGTERM, self.before)
            if self.wanted:
                signal.raise_signal(signal.SIGTERM)
