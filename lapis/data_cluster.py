"""Daft on Ray, where `data.runner` says so: chosen before the process uses Daft at all, since it cannot be changed"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lapis import config
from lapis.types import InputError


@contextmanager
def joined(recipe: config.Recipe) -> Iterator[None]:
    """The cluster of `ray.address`, or one of this machine, as long as the block lasts; nothing for the native runner.

    Raises InputError where nothing answers there, or where this process has used Daft on its own already.
    """
    if recipe.data.runner == "native" or not recipe.data.sources:
        yield
        return
    import daft

    from lapis.rl.fleet import cluster

    with cluster.joined(recipe):
        with suppress(daft.exceptions.DaftCoreException):  # there is one already
            daft.set_runner_ray()
        if daft.runners.get_or_infer_runner_type() != "ray":
            raise InputError("data.runner: ray, but this process has used Daft natively; start a new one")
        yield
