"""The words of a described page: natural words in natural case, and interface words in pairs of English and Chinese."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lapis.data.screens.words import Words

Pair = tuple[str, str]
"""A wording in English and in Chinese."""


class Say(Words):
    """Words that look as they do in apps: no blends of two words, no page in capitals (words.py has the split)."""

    def __init__(self, rng: random.Random, lang: str, held: bool):
        super().__init__(rng, lang, held)
        self._case = "capital"

    def made_up(self, word: str, words: Sequence[str]) -> str:
        """The word itself."""
        return word

    def one(self, pairs: Sequence[Pair]) -> str:
        """One of these wordings."""
        return self.ui(*self.rng.choice(pairs))

    def some(self, pairs: Sequence[Pair], count: int) -> list[str]:
        """Different wordings in a drawn order, as many as there are."""
        return [self.ui(*pair) for pair in self.rng.sample(list(pairs), min(count, len(pairs)))]

    def full_name(self) -> str:
        """A person's whole name."""
        given, surname = self._unused("given"), self._unused("surname", reuse=True)
        return self._content(f"{surname}{given}" if self.lang == "zh" else f"{given} {surname}")

    def product(self) -> str:
        """What a shop sells."""
        quality, goods = self._unused("quality"), self._unused(self.rng.choice(("goods", "goods", "food", "tech")))
        joined = f"{quality}的{goods}" if self.lang == "zh" and len(quality) > 1 else f"{quality} {goods}"
        return self._content(self._show(joined.replace(" ", "") if self.lang == "zh" else joined))

    def sentences(self, count: int) -> str:
        """Short sentences one after the other."""
        stop = "。" if self.lang == "zh" else ". "
        told = [self.message().rstrip("?!") for _ in range(count)]
        return (stop.join(one[:1].upper() + one[1:] for one in told) + stop).strip()

    def day(self) -> str:
        """A day of a month."""
        month, day = self.rng.randrange(1, 13), self.rng.randrange(1, 29)
        names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
        return f"{month}月{day}日" if self.lang == "zh" else f"{names[month - 1]} {day}"

    def clock(self) -> str:
        """A time of day that is long enough to be read as one."""
        return f"{self.rng.randrange(24):02d}:{self.rng.randrange(60):02d}"

    def money(self, amount: int) -> str:
        """An amount with its sign."""
        return f"{self.sign}{amount}"

    @property
    def sign(self) -> str:
        return "¥" if self.lang == "zh" else "$"
