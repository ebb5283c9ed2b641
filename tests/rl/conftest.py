"""One Ray for all tests of these folders."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from lapis.rl.fleet import cluster


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTSIDE_KEY", "secret")
        cluster.start(log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()
