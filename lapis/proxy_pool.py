"""Proxy runs side by side, in processes with one thread each: small models keep no second thread busy."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pebble import ProcessPool

from lapis import config
from lapis.data.mixing.search import Losses, Proxies, Try
from lapis.data_config.mixing import Mixing
from lapis.proxies import Trained
from lapis.types import Progress, Silent

_here: list[Trained] = []
"""Of a process of the pool."""


def trained(
    recipe: config.Recipe, data: Path, folder: Path, stage: config.Train, plan: Mixing
) -> tuple[Trained, Proxies]:
    """Who trains, as `plan.workers` says, and what it knows of the data. Raises InputError as Trained does."""
    one = Trained(recipe, data, folder, stage, plan)
    return one, one if plan.workers == 1 else Several(
        plan.workers, replace(recipe, threads=1), data, folder, stage, plan
    )


class Several:
    """Trains proxies in processes (lapis.data.mixing.search.Proxies). Whatever ends the iteration ends them."""

    def __init__(
        self, workers: int, recipe: config.Recipe, data: Path, folder: Path, stage: config.Train, plan: Mixing
    ):
        self.workers, self.given = workers, (recipe, data, folder, stage, plan)

    def train(self, tries: Sequence[Try], progress: Progress) -> Iterator[Losses]:
        """Each in the next process that is free."""
        how = multiprocessing.get_context("spawn")
        pool = ProcessPool(min(self.workers, max(1, len(tries))), initializer=_open, initargs=self.given, context=how)
        try:
            for one, losses in zip(tries, pool.map(_run, tries).result(), strict=False):
                progress.advance(one.steps, one.name)
                yield losses
        finally:
            pool.stop()
            pool.join()


def _open(*given: object) -> None:
    _here.append(Trained(*given))  # type: ignore[arg-type]


def _run(one: Try) -> Losses:
    return _here[0].run(one, Silent())
