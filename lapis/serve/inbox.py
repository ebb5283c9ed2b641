"""What other threads ask of an engine's own: calls that it makes between two steps"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

Inbox = SimpleQueue[Callable[[], None]]


def drain(inbox: Inbox, wait: bool) -> None:
    """Make all calls that are there; with `wait` the first is waited for."""
    while True:
        try:
            call = inbox.get(block=wait)
        except Empty:
            return
        call()
        wait = False
