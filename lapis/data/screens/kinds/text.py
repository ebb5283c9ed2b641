"""Pages of nothing but text: every cell of the picture has words in it, so a young ViT sees many glyphs per image."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import TOPICS, Words, pool

LOOKS = {
    "": 1.0,
    "st": 1.1,
    "mu": 1.0,
    "sm": 0.9,
    "lg": 1.3,
    "btn": 1.2,
    "btn o": 1.2,
    "item": 1.1,
    "in": 1.1,
    "tab on": 1.1,
}
"""Class of a run of words, and about how wide it makes them: all the ways in which screens show text."""
PLAIN = 0.4
"""Share of runs that take no look of their own."""
QUOTES = 0.5
"""Share of runs that quote a screen."""


def page(rng: random.Random, words: Words, style: Style, quotes: Sequence[str]) -> str:
    """Lines of drawn words, numbers and quotes, edge to edge, in runs that look different; a word may come twice."""
    height = rng.uniform(1.15, 1.9)
    count = int((style.height / style.size - 0.8) / height)
    lines = "".join(
        parts.box(_line(rng, words, style, quotes), "row", f"height:{height:.2f}em;overflow:hidden")
        for _ in range(count)
    )
    return parts.box(parts.box(lines, css=f"padding:{rng.randrange(14)}px 0 0 {rng.randrange(14)}px"), "s")


def _line(rng: random.Random, words: Words, style: Style, quotes: Sequence[str]) -> str:
    runs, left = list[str](), style.width / style.size - 0.6
    while left > 0:
        look = "" if rng.random() < PLAIN else rng.choice(list(LOOKS))
        if quotes and rng.random() < QUOTES:
            shown = rng.choice(quotes)
        else:
            shown = " ".join(_word(rng, words) for _ in range(rng.randint(1, 4)))
        left -= (1.0 if words.lang == "zh" else 0.55) * len(shown) * LOOKS[look] + 0.5
        runs.append(parts.text(shown, look, "flex:none;padding-top:0;padding-bottom:0"))
    return "".join(runs)


def _word(rng: random.Random, words: Words) -> str:
    if rng.random() < 0.15:
        return str(rng.randrange(1000))
    known = pool(words.lang, rng.choice(TOPICS), words.held, words.han)
    word = words.made_up(rng.choice(known), known)
    return rng.choice((word, word.capitalize(), word, word.upper())) if words.lang == "en" else word
