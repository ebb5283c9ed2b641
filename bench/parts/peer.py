"""Environments of peers: their own packages on top of ours, so that nothing of ours changes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(".cache") / "bench"


def environment(name: str, packages: Sequence[str], alone: bool = False) -> Path:
    """The Python of `.cache/bench/NAME`, made where it is missing; packages come without their dependencies, so that no
    torch is fetched, or `alone` with all of theirs and none of ours."""
    folder = CACHE / name
    python = (folder / "bin" / "python").absolute()
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        site = next((folder / "lib").glob("python3*")) / "site-packages"
        if not alone:
            (site / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
        bare = () if alone else ("--no-deps",)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *bare, *packages], check=True)
        (folder / "ready").touch()
    return python
