"""Rewards that the services of these tests make in their replicas."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from lapis.rl.rewards.book import Item
from lapis.types import Verdict

SECONDS = 0.2


def waits(items: Sequence[Item]) -> list[Verdict]:
    """As for a model on another machine. The reason is the replica's process, and how many came at once."""
    threading.Event().wait(SECONDS)
    return [Verdict(1.0, f"{os.getpid()} {len(items)}") for _ in items]


def waiting() -> object:
    return waits


def does(items: Sequence[Item]) -> list[Verdict]:
    """As the answers say."""
    for item in items:
        if item.answer.text == "hang":
            threading.Event().wait()
        if item.answer.text == "throw":
            raise ValueError("no such luck")
    return [Verdict(1.0, str(os.getpid())) for _ in items][: -1 if items[0].answer.text == "few" else None]


def doing() -> object:
    return does


def broken() -> object:
    raise OSError("no such model")
