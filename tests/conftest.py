"""What all tests share: one thread, the option that rewrites goldens, and one smoke run for the whole session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Before torch is imported anywhere: two OpenMP threads on contended cores are many times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

import torch  # noqa: E402  (after the variables that it reads)

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write tests/goldens anew instead of comparing")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """A run inside a test may have taken all cores; the next test must not sum in another order for it."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))


def lapis(*words: str, cwd: Path = ROOT, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """One command in its own process, as a user runs it."""
    return subprocess.run(command(*words), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=timeout)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "lapis", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def killed_in(run: Path, stage: str, lines: int, *words: str) -> None:
    """Start a run and kill it with SIGKILL when `stage` has written `lines` lines of metrics."""
    process = subprocess.Popen(command(*words), cwd=ROOT, env=environment(), start_new_session=True)
    metrics = run / stage / "metrics.jsonl"
    while process.poll() is None and len(metrics.read_bytes().splitlines() if metrics.is_file() else ()) < lines:
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, f"the run ended before stage {stage} could be killed"
