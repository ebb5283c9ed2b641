"""Rewards for a model that writes any bytes. In a file of their own: a judge is there sooner without torch."""

from __future__ import annotations

from collections.abc import Sequence

from lapis.rl.rewards.book import Book, Item, Reward
from lapis.types import Verdict


def by_three(items: Sequence[Item]) -> list[Verdict]:
    """Right is an answer whose tokens add up to a multiple of three: a third of a fresh model's."""
    return [Verdict(float(sum(item.answer.token_ids) % 3 == 0), "") for item in items]


def throws(items: Sequence[Item]) -> list[Verdict]:
    raise ValueError("no")


def book(reward: Reward) -> Book:
    return Book({"number": reward}, unfit=lambda item: "")


def threes() -> Book:
    return book(by_three)


def throwing() -> Book:
    return book(throws)
