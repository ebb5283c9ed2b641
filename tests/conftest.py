"""What all tests share: one thread, the option that rewrites goldens, and one smoke run for the whole session."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

# Before torch is imported anywhere: two OpenMP threads on contended cores are many times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

import torch  # noqa: E402  (after the variables that it reads)

from lapis import cli, config  # noqa: E402
from lapis.recipes import pocket  # noqa: E402
from tests.waiting import until  # noqa: E402

ROOT = Path(__file__).parent.parent
SMOKE = ("test_smoke.py", "test_readme_runs.py", "test_launch.py")
"""Files with tests of the smoke run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write tests/goldens anew instead of comparing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The smoke run first: it is the longest."""
    items.sort(key=lambda item: scope_of(item.nodeid) != "smoke")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of several workers (pytest-xdist) one runs all tests of a scope: what tests share is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class Scopes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False
    return Scopes(config, log)


def scope_of(nodeid: str) -> str:
    """A test's file, or for all files that look at the smoke run that run."""
    file = nodeid.partition("::")[0]
    return "smoke" if file.endswith(SMOKE) else file


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


def here(*words: str, cwd: Path = ROOT, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Like `lapis`, in this process, whose libraries are loaded already: for commands that are not about processes."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch("sys.stdin", io.StringIO(typed)),
    ):
        try:
            code = cli.main(words)
        except SystemExit as left:  # argparse, after --help
            code = int(left.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "lapis", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def killed_in(run: Path, stage: str, lines: int, *words: str) -> None:
    """Start a run and kill it with SIGKILL when `stage` has written `lines` lines of metrics."""
    process = subprocess.Popen(command(*words), cwd=ROOT, env=environment(), start_new_session=True)
    metrics = run / stage / "metrics.jsonl"
    try:
        until(lambda: process.poll() is not None or (metrics.is_file() and metrics.read_bytes().count(b"\n") >= lines))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, f"the run ended before stage {stage} could be killed"
