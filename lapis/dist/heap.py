"""What glibc does with memory that a process frees: training keeps it, and between stages it goes back to the system.

Unusual: a step's activations come back every step, so that keeping them saves their pages (6% of a step's time,
measured). What follows training has other sizes, for which little of that fits: unless it goes back first, a run holds
the most that each of its stages ever took, one beside the other.
"""

from __future__ import annotations

import ctypes
import gc
import platform
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of mallopt's parameters in glibc's malloc.h."""
LARGE = 1 << 25
"""Bytes from which a piece is the system's again once it is freed: glibc's own limit, up to which it learns by itself
until it is told anything."""


def keep() -> None:
    """From now on freed memory stays with the process."""
    _set(2**30, 2**31 - 1)


def free() -> None:
    """All that is free goes back to the system, and from now on what is large does as soon as it is freed.

    A trainer is part of reference cycles: its weights, gradients and moments wait for the collector.
    """
    gc.collect()
    _set(LARGE, 16 * LARGE)
    if _glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _set(large: int, top: int) -> None:
    if _glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, large)
        libc.mallopt(TRIM_THRESHOLD, top)


def _glibc() -> bool:
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
