"""A reward that waits, as one does that asks a model on another machine; made in the replicas of a service."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from lapis.rl.rewards.book import Item
from lapis.types import Verdict

SECONDS = 0.25


def waits(items: Sequence[Item]) -> list[Verdict]:
    """The reason is when it began, in seconds of this machine's clock."""
    began = time.time()
    threading.Event().wait(SECONDS)
    return [Verdict(1.0, repr(began)) for _ in items]


def waiting() -> object:
    """It, for a service."""
    return waits
