"""Waiting for what tells nobody when it comes to be: files of other processes, and counts of a server's loop."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
LONGEST = 3600.0
"""Seconds; a test that waits so long has failed, however busy the machine is."""
PAUSE = 0.01


def until(done: Callable[[], Found]) -> Found:
    """What `done` gives as soon as that is true. What can tell by itself is waited for by an event instead."""
    end = time.monotonic() + LONGEST
    while not (found := done()):
        assert time.monotonic() < end, "never came to be"
        time.sleep(PAUSE)
    return found


def gone(pids: list[int]) -> None:
    """Wait until processes that are nobody's children here have ended, as the kernel tells it."""
    for pid in pids:
        try:
            place = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([place], [], [], LONGEST)[0], f"process {pid} never ended"
        finally:
            os.close(place)
