"""What a task is: a held-out file, the modes in which it is asked, and what its answers are broken down by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["think", "direct"]


@dataclass(frozen=True, slots=True)
class Task:
    """One held-out question set. The checks are those of `verify`, chosen by each sample's own `meta`."""

    name: str
    """File name in `heldout/` without its ending."""
    title: str
    modes: tuple[Mode, ...]
    blind: bool = False
    """Ask again with every image swapped for another screen of the set."""
    curve: Literal["", "text", "screens"] = ""
    """Name of the budget curve measured on it, if any."""
    breakdown: tuple[str, ...] = ("kind", "lang")
    """`kind`, `lang`, or a key of the samples' `meta`."""
    share: float = 1.0
    """Part of the recipe's `eval.samples` that this task takes."""
