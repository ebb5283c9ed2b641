"""A reward that the small model of the benches of RL can learn. In a file of its own: judges need no torch."""

from __future__ import annotations

from collections.abc import Sequence

from lapis import chat
from lapis.rl.rewards.book import Book, Item
from lapis.types import Verdict

MIDDLE = len(chat.SPECIALS) + ord("a") - ord("!")
"""Id of `a` in a tokenizer of bytes: capitals are below it."""


def low_first(items: Sequence[Item]) -> list[Verdict]:
    """Right is an answer that begins with a capital: about half of the model's, and quickly learned."""
    return [Verdict(float(_first(item) < MIDDLE), "") for item in items]


def _first(item: Item) -> int:
    """The first token that the model chose itself."""
    answer = item.answer
    own = (token for token, forced in zip(answer.token_ids, answer.forced, strict=True) if not forced)
    return next(own, 2 * MIDDLE)


def low_firsts() -> Book:
    """It as the questions' reward, whatever bytes an answer has."""
    return Book({"number": low_first}, unfit=lambda item: "")
