"""Ray, started on this machine alone or joined; the one place that says how to install it."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from lapis import config
from lapis.dist import guard
from lapis.types import InputError

HERE = "127.0.0.2"
"""Loopback; of 127.0.0.1 Ray makes an address that others can reach."""
STORE = 256 * 2**20
"""Bytes of Ray's object store: answers and metrics go through it, weights do not."""

PATIENCE = {"worker_register_timeout_seconds": 600, "agent_register_timeout_ms": 600_000}
"""Ray's own for a machine that is busy: processes that load torch take long there."""


def need() -> None:
    """Raises InputError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("fleet.mode: Ray is not installed; `pip install ray[default]==2.60.0`, or mode=inline")


@contextmanager
def joined(recipe: config.Recipe) -> Iterator[None]:
    """Ray in this process, as long as the block lasts; one that is there already stays.

    Raises InputError where Ray is not installed, or nothing answers at `ray.address`.
    """
    need()
    import ray

    if ray.is_initialized():
        yield
        return
    words = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if recipe.ray.address:
            ray.init(address=recipe.ray.address, **words)
        else:
            start(**words)
    except Exception as error:  # Ray raises that very class where a process of its own is late
        place = f"ray.address: no cluster at {recipe.ray.address}" if recipe.ray.address else "ray: did not start"
        raise InputError(f"{place} ({str(error).splitlines()[0]})") from None
    try:
        yield
    finally:
        ray.shutdown()


def start(store: int = STORE, **words: object) -> None:
    """A Ray of this process's own, on loopback, without a dashboard; `store` bytes for objects."""
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        num_cpus=guard.cores(),
        object_store_memory=store,
        _node_ip_address=HERE,
        _system_config=PATIENCE,
        **words,
    )
