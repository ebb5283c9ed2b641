"""Packages that cannot be installed beside ours: fetched into a folder of their own, found by those who need them.

Unusual: they come without what they ask for, because that contradicts our pins (executorch wants hydra, hydra an older
antlr4 than math-verify's) or is of no use here (pandas, scikit-learn, coremltools). Their folder stands last on the
path of the process that uses them, so nothing of ours is replaced, and torch is the one torch.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lapis.said import last_line
from lapis.types import InputError

CACHE = Path("~/.cache/lapis")


@dataclass(frozen=True, slots=True)
class Kit:
    """Pinned packages that belong together."""

    name: str
    pins: tuple[str, ...]


EXECUTORCH = Kit(
    "executorch",
    ("executorch==1.5.1", "torchao==0.18.0", "flatbuffers==25.12.19", "ruamel.yaml==0.19.1", "tabulate==0.10.0"),
)
"""Tested with torch 2.13.0; a download of 22 MB, 160 MB on the disk."""


def place(kit: Kit) -> Path:
    """The folder of these very packages for this Python."""
    words = "\n".join((sys.version.split()[0], *kit.pins))
    return CACHE.expanduser() / kit.name / hashlib.sha256(words.encode()).hexdigest()[:12]


def build(kit: Kit) -> Path:
    """Fetch the packages where they are missing; returns their folder. Raises InputError where pip cannot."""
    folder = place(kit)
    if folder.is_dir():
        return folder
    beside = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(beside), *kit.pins]
    try:
        done = subprocess.run(words, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise InputError(f"{kit.name}: pip could not fetch it ({last_line(done.stderr)})")
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def is_built(kit: Kit) -> bool:
    """Whether `use` will find the packages."""
    return place(kit).is_dir()


def use(kit: Kit) -> None:
    """Make the packages importable in this process. Raises InputError where they are not there."""
    folder = place(kit)
    if not folder.is_dir():
        raise InputError(f"{kit.name}: not there; `lapis build {kit.name}` fetches it")
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
