"""A few of many, evenly spaced, so that nothing at an end is lost"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

One = TypeVar("One")


def spread(many: Sequence[One], count: int) -> list[One]:
    """At most `count` of them, in their order, evenly over all."""
    count = min(count, len(many))
    return [many[number * len(many) // count] for number in range(count)]
