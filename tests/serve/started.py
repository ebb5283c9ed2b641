"""`lapis serve` as a process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, command, environment


@contextmanager
def started(*words: str, cwd: Path = ROOT, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the URL that it prints."""
    process = subprocess.Popen(
        command("serve", *words, "--port", "0"),
        cwd=cwd,
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()
