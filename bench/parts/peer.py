"""Environments of peers: their own packages on top of ours, so that nothing of ours changes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(".cache") / "bench"


def environment(name: str, packages: Sequence[str]) -> Path:
    """The Python of `.cache/bench/NAME`, made where it is missing; packages come without their dependencies, so that no
    torch is fetched."""
    folder = CACHE / name
    python = (folder / "bin" / "python").absolute()
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        site = next((folder / "lib").glob("python3*")) / "site-packages"
        (site / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", *packages], check=True)
        (folder / "ready").touch()
    return python
