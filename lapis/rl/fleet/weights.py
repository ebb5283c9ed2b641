"""Weights from the trainer to all engines: one flat tensor in the engines' precision, broadcast in buckets.

Unusual: the processes of a transfer make a gloo group of their own for each set of engines (`Call.number`), without
torch's global group, so that an engine that died is left out by a new number and nothing has to be torn down. What
arrives lies beside the weights in use until all of it is there. The twin goes through a file, for tests.
"""

from __future__ import annotations

import hashlib
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lapis import files
from lapis.rl.fleet.messages import Address, Call

PATIENCE = timedelta(seconds=15)
"""How long one side of a transfer waits for the other: what a transfer stands still for where an engine dies in it."""


class Flat:
    """A module's parameters one after the other in one tensor, and a view of each."""

    def __init__(self, module: nn.Module, dtype: torch.dtype):
        self.parameters = dict(module.named_parameters())
        counts = [parameter.numel() for parameter in self.parameters.values()]
        self.values = torch.zeros(sum(counts), dtype=dtype)
        parts = self.values.split(counts)
        self.views = [part.view(p.shape) for part, p in zip(parts, self.parameters.values(), strict=True)]

    @property
    def megabytes(self) -> float:
        return self.values.nbytes / 1e6

    def sign(self) -> str:
        """Names, shapes and dtype as one word: what two ends must have in common."""
        shapes = [(name, list(parameter.shape)) for name, parameter in self.parameters.items()]
        return hashlib.sha256(f"{shapes} {self.values.dtype}".encode()).hexdigest()[:16]

    @torch.no_grad()
    def read(self) -> None:
        """Take the module's weights; those that are spread over processes are gathered, so all must call it."""
        for view, parameter in zip(self.views, self.parameters.values(), strict=True):
            view.copy_(whole(parameter))

    @torch.no_grad()
    def write(self) -> None:
        """Give them to the module."""
        for view, parameter in zip(self.views, self.parameters.values(), strict=True):
            parameter.copy_(view)

    def buckets(self, megabytes: float) -> tuple[Tensor, ...]:
        return self.values.split(max(1, round(megabytes * 1e6 / self.values.element_size())))


def whole(parameter: Tensor) -> Tensor:
    """A parameter that may be a DTensor."""
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter


def here() -> str:
    """The address of the machine that this actor is on, as others of the cluster reach it."""
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def listen(host: str) -> tuple[dist.Store, Address]:
    """A store where groups are formed, which listens on this address alone."""
    ear = socket.create_server((host, 0))
    address = (host, int(ear.getsockname()[1]))
    store = dist.TCPStore(
        *address, is_master=True, wait_for_workers=False, timeout=PATIENCE, master_listen_fd=ear.detach()
    )
    return store, address


def connect(address: Address) -> dist.Store:
    """Another process's store."""
    return dist.TCPStore(*address, is_master=False, wait_for_workers=False, timeout=PATIENCE)


class Transfer(Protocol):
    """One end of the way that weights take."""

    def send(self, flat: Flat, call: Call) -> None:
        """The trainer's end."""
        ...

    def receive(self, flat: Flat, call: Call, rank: int) -> None:
        """An engine's end: `flat` is filled."""
        ...


class Broadcast:
    """By torch.distributed, all engines at once. `host` is this process's own address."""

    def __init__(self, host: str, bucket_mb: float, store: dist.Store | None = None):
        self.host, self.bucket_mb = host, bucket_mb
        self._group: tuple[int, dist.ProcessGroupGloo] | None = None
        self._store = store

    def send(self, flat: Flat, call: Call) -> None:
        self._all(flat, self._join(call, 0))

    def receive(self, flat: Flat, call: Call, rank: int) -> None:
        self._all(flat, self._join(call, rank))

    def _all(self, flat: Flat, group: dist.ProcessGroupGloo) -> None:
        options = dist.BroadcastOptions()
        options.rootRank = 0
        buckets = flat.buckets(self.bucket_mb)
        for work in [group.broadcast([one], options) for one in buckets]:  # type: ignore[attr-defined]
            work.wait()

    def _join(self, call: Call, rank: int) -> dist.ProcessGroupGloo:
        if self._group is None or self._group[0] != call.number:
            if self._store is None:
                self._store = connect(call.address)
            options = dist.ProcessGroupGloo._Options()  # type: ignore[attr-defined]  # torch's hints lack it
            options._devices = [dist.ProcessGroupGloo.create_device(hostname=self.host)]
            options._timeout = PATIENCE
            store = dist.PrefixStore(f"weights/{call.number}", self._store)
            self._group = call.number, dist.ProcessGroupGloo(store, rank, call.size, options)
        return self._group[1]


class Files:
    """Through a file in a folder that all see: the trainer writes it whole, the engines wait for it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def send(self, flat: Flat, call: Call) -> None:
        with files.beside(self._path(call.version)) as part:
            save_file({"values": flat.values}, part)
        self._path(call.version - 2).unlink(missing_ok=True)

    def receive(self, flat: Flat, call: Call, rank: int) -> None:
        end = time.monotonic() + PATIENCE.total_seconds()
        while not self._path(call.version).is_file() and time.monotonic() < end:
            time.sleep(0.01)
        flat.values.copy_(load_file(self._path(call.version))["values"])

    def _path(self, version: int) -> Path:
        return self.folder / f"weights-{version}.safetensors"
