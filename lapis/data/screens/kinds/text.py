"""Pages of nothing but text: every cell of the picture has words in it, so a young ViT sees many glyphs per image."""

from __future__ import annotations

import random

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import TOPICS, Words, pool


def page(rng: random.Random, words: Words, style: Style) -> str:
    """Lines of random words and numbers from edge to edge; a word may come twice."""
    height = rng.uniform(1.15, 1.9)
    count = int((style.height / style.size - 0.8) / height)
    lines = "".join(
        parts.text(_line(rng, words, style), css=f"line-height:{height:.2f};overflow:hidden") for _ in range(count)
    )
    return parts.box(parts.box(lines, css=f"padding:{rng.randrange(14)}px 0 0 {rng.randrange(14)}px"), "s")


def _line(rng: random.Random, words: Words, style: Style) -> str:
    wide, line, width = 1.0 if words.lang == "zh" else 0.55, list[str](), 0.0
    while True:
        word = _word(rng, words.lang, words.held)
        width += wide * len(word) + 0.35
        if width > style.width / style.size - 1.2:
            return " ".join(line)
        line.append(word)


def _word(rng: random.Random, lang: str, held: bool) -> str:
    if rng.random() < 0.15:
        return str(rng.randrange(1000))
    word = rng.choice(pool(lang, rng.choice(TOPICS), held))
    return rng.choice((word, word.capitalize(), word, word.upper())) if lang == "en" else word
