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

from lapis import config  # noqa: E402
from lapis.recipes import pocket  # noqa: E402

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


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished smoke run that was killed in its last training stage and went on."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    words = ("run", "pocket", "--smoke", f"out={folder}")
    killed_in(folder, cut_stage().name, 2, *words)
    done = lapis(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'report.html'}\n"
    return folder


def cut_stage() -> config.Train:
    """The stage of the smoke run that is killed."""
    return [stage for stage in pocket.smoke().stages if isinstance(stage, config.Train)][-1]


def lapis(*words: str, cwd: Path = ROOT, typed: str = "", timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """One command in its own process, as a user runs it; `typed` is what the user types, then Ctrl-D."""
    return subprocess.run(
        command(*words), cwd=cwd, env=environment(), input=typed, capture_output=True, text=True, timeout=timeout
    )


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
