"""Words that nobody knows, made of two that are known: the beginning of one and the end of the other.

A small decoder that reads the same thousand words over and over ends up guessing them instead of copying what is
written (measured in LOG.md). Blends are written with the letters and tokens of real words, so a reader meets nothing
strange in them but the word itself. The share of them is ours; the original published nothing of the kind.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def blend(first: str, second: str, rng: random.Random) -> str:
    """About half of each word: `mango` and `ticket` give `mancket`. Words of one character are joined."""
    return first[: _cut(first, rng) or 1] + second[_cut(second, rng) :]


def perhaps(word: str, words: Sequence[str], share: float, rng: random.Random) -> str:
    """The word, or in a share of draws a blend of it and another; a share of 0 draws nothing."""
    return blend(word, rng.choice(words), rng) if share and rng.random() < share else word


def _cut(word: str, rng: random.Random) -> int:
    """A place near the middle with a character on both sides; 0 in a word of one."""
    return min(max(len(word) // 2 + rng.choice((-1, 0, 0, 1)), 1), len(word) - 1)
