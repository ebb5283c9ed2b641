"""One Ray for all tests of these folders, a second node of it where a test asks, and a run folder."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lapis.rl.fleet import cluster
from tests.rl.fleet import small

SECOND = "second"
"""What the second node alone offers."""


@pytest.fixture(scope="session")
def ray_here() -> Iterator[str]:
    """Its address."""
    import ray

    with TemporaryDirectory(prefix="ray-", dir=cluster.ROOT, ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OUTSIDE_KEY", "secret")
            cluster.start(folder=folder, log_to_driver=False, logging_level=logging.ERROR)
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


@pytest.fixture
def second_node(ray_here: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node of its own address on this machine, as `ray start` makes one of another machine."""
    import ray

    there = [str(Path(sys.executable).with_name("ray")), "start", f"--address={ray_here}", "--block"]
    there += ["--node-ip-address=127.0.0.3", "--num-cpus=1", f"--resources={json.dumps({SECOND: 4})}"]
    there += ["--object-store-memory=100000000", "--disable-usage-stats"]
    process = subprocess.Popen(there, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while SECOND not in ray.cluster_resources():
            assert process.poll() is None, "the second node did not start"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return small.folder(tmp_path)
