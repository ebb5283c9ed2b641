"""Environments of peers: their own packages on top of ours, so that nothing of ours changes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(".cache") / "bench"


def environment(name: str, packages: Sequence[str], alone: bool = False, torch: bool = False) -> Path:
    """The Python of `.cache/bench/NAME`, made where it is missing; packages come without their dependencies, so that no
    torch is fetched, or `alone` with all of theirs and none of ours. `torch` puts ours behind theirs in the end, for
    one that would fetch torch and CUDA when it runs."""
    folder = CACHE / name
    python = (folder / "bin" / "python").absolute()
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        site = next((folder / "lib").glob("python3*")) / "site-packages"
        ours = sysconfig.get_paths()["purelib"] + "\n"
        if not alone:
            (site / "ours.pth").write_text(ours, encoding="utf-8")
        bare = () if alone else ("--no-deps",)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *bare, *packages], check=True)
        if torch:
            (site / "ours.pth").write_text(ours, encoding="utf-8")
        (folder / "ready").touch()
    return python
