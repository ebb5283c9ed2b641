"""A reward that a fresh model of the benches of RL can learn. In a file of its own: judges need no torch."""

from __future__ import annotations

from collections.abc import Sequence

from lapis.rl.rewards.book import Book, Item
from lapis.types import Verdict

MIDDLE = 130
"""An id."""


def low_first(items: Sequence[Item]) -> list[Verdict]:
    """Right is an answer whose first own token has a small id: about half of a fresh model's, and quickly learned."""
    return [Verdict(float(_first(item) < MIDDLE), "") for item in items]


def _first(item: Item) -> int:
    """The first token that the model chose itself."""
    answer = item.answer
    own = (token for token, forced in zip(answer.token_ids, answer.forced, strict=True) if not forced)
    return next(own, 2 * MIDDLE)


def low_firsts() -> Book:
    """It as the questions' reward; a fresh model writes any bytes."""
    return Book({"number": low_first}, unfit=lambda item: "")
