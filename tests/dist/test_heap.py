"""What a stage kept for its steps is the system's again when the stage ends."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told anything")

STAGES = """
import sys
from pathlib import Path
from lapis import run
from lapis.dist import heap

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon:"))

def train(progress):
    heap.keep()
    pieces = [bytearray(b"x") * 2**20 for _ in range(400)]
    stays.append(pieces[-1])
    circle = [pieces]
    circle.append(circle)
    told.append(held())

told, stays = [held()], []
folder = Path(sys.argv[1])
run.perform([run.Step(name, folder / name, 0.1, train) for name in ("a", "b")], folder)
print(*told, held())
"""
"""Two stages of 400 MB in a circle, of which the last MB stays; megabytes held: before, at the end of each,
after them."""


def test_a_stage_that_is_over_holds_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STAGES, str(tmp_path)]
    out = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True).stdout
    before, first, second, after = map(int, out.split())
    assert first >= before + 400 and before + 400 <= second <= first + 100
    assert after <= before + 100
