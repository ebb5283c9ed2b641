"""Ray, started on this machine alone or joined."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from lapis import config
from lapis.dist import guard
from lapis.said import first_line
from lapis.types import InputError

HERE = "127.0.0.2"
"""Loopback; of 127.0.0.1 Ray makes an address that others can reach."""
STORE = 256 * 2**20
"""Bytes of Ray's object store: answers and metrics go through it, weights do not."""

PATIENCE = {"worker_register_timeout_seconds": 600, "agent_register_timeout_ms": 600_000, "worker_niceness": 0}
"""Ray's own for a machine that is busy: processes that load torch take long there, and at Ray's usual niceness of 15
whatever else runs leaves them next to nothing."""

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

ROOT = "/tmp"
"""Where Ray's folder is made: the paths of its sockets may have 107 bytes, and other places are longer."""


@contextmanager
def joined(recipe: config.Recipe) -> Iterator[None]:
    """Ray in this process, as long as the block lasts; one that is there already stays.

    Raises InputError where nothing answers at `ray.address`.
    """
    address = recipe.ray.address
    with at(address, f"ray.address: no cluster at {address}") if address else _own():
        yield


@contextmanager
def at(address: str, absent: str, hint: str = "") -> Iterator[None]:
    """The cluster of an address, as long as the block lasts; one that this process has joined already stays.

    Raises InputError where nothing answers there: `absent`, Ray's own reason and `hint`.
    """
    import ray

    with _held(lambda: ray.init(address=address, **QUIET), absent, hint):
        yield


@contextmanager
def _own() -> Iterator[None]:
    with (
        TemporaryDirectory(prefix="ray-", dir=ROOT, ignore_cleanup_errors=True) as folder,
        _held(lambda: start(folder=folder, **QUIET), "ray: did not start"),
    ):
        yield


@contextmanager
def _held(begin: Callable[[], object], absent: str, hint: str = "") -> Iterator[None]:
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        begin()
    except Exception as error:  # Ray raises that very class where a process of its own is late
        raise InputError(f"{absent} ({first_line(error)}){hint}") from None
    try:
        yield
    finally:
        ray.shutdown()


def start(store: int = STORE, folder: str | None = None, **words: object) -> None:
    """A Ray of this process's own, on loopback, without a dashboard; `store` bytes for objects, `folder` for its logs
    and sockets."""
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        num_cpus=guard.cores(),
        object_store_memory=store,
        _node_ip_address=HERE,
        _temp_dir=folder,
        _system_config=PATIENCE,
        **words,
    )


def offers(fleet: config.Fleet) -> None:
    """Raises InputError where the cluster lacks what engines are to be placed by."""
    import ray

    there = ray.cluster_resources().get(fleet.engines_on, 0.0)
    if fleet.engines_on and there < fleet.engines:
        raise InputError(
            f"fleet.engines_on: the cluster offers {there:g} of {fleet.engines_on!r}, expected {fleet.engines} "
            f"(`ray start --resources`)"
        )
