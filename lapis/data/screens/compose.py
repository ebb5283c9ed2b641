"""From a number to a page: draws kind, language, look and words of screen `index` and writes its HTML. No browser."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lapis.data.screens.kinds import PAGES, TRAINED, UNSEEN
from lapis.data.screens.style import Fonts, Style, draw_style
from lapis.data.screens.words import Words

Split = Literal["train", "pages", "seen", "unseen"]
HELD: frozenset[Split] = frozenset({"seen", "unseen"})
"""Splits that draw held-out words and numbers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that screens ask of who reads them, trained and held-out ones alike."""

    difficulty: float = 1.0
    """Of a look (style.py): text of 18 px at 0, down to 11 px at 1."""
    han: int = 0
    """Chinese characters that words are written with, the commonest first; 0 for all."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Draft:
    """A page before it is rendered."""

    html: str
    style: Style
    template: str
    split: Split
    seed: int
    index: int
    content: frozenset[str]
    """Content words drawn for it, as shown."""


def draft(seed: int, split: Split, index: int, limits: Limits = NO_LIMITS, fonts: Fonts | None = None) -> Draft:
    """Screen `index` of a run: a pure function of its arguments.

    `train` draws training words and numbers, `seen` and `unseen` held-out ones; `unseen` takes templates that the
    others never take, `pages` dense text. Difficulties lie evenly in [0, limits.difficulty].
    """
    rng = random.Random(f"{seed}/{split}/{index}")
    templates: Mapping[str, object] = {"unseen": UNSEEN, "pages": PAGES}.get(split, TRAINED)
    template = rng.choice(sorted(templates))
    lang = rng.choice(("en", "zh"))
    difficulty = rng.random() * limits.difficulty
    words = Words(rng, lang, split in HELD, limits.han)
    return drafted(words, template, difficulty, split, seed, index, fonts or {})


def drafted(words: Words, template: str, difficulty: float, split: Split, seed: int, index: int, fonts: Fonts) -> Draft:
    """A page of a given kind and difficulty in the language of its words."""
    style = draw_style(words.rng, words.lang, difficulty, fonts)
    body = (TRAINED | UNSEEN | PAGES)[template](words.rng, words, style)
    return Draft(style.css() + body, style, template, split, seed, index, frozenset(words.content))
