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


def draft(seed: int, split: Split, index: int, easy: float = 0.0, fonts: Fonts | None = None) -> Draft:
    """Screen `index` of a run: a pure function of its arguments.

    `train` draws training words and numbers, `seen` and `unseen` held-out ones; `unseen` takes templates that the
    others never take, `pages` dense text. `easy` is the share of screens of difficulty below 0.15; the rest lie
    evenly in [0, 1].
    """
    rng = random.Random(f"{seed}/{split}/{index}")
    templates: Mapping[str, object] = {"unseen": UNSEEN, "pages": PAGES}.get(split, TRAINED)
    template = rng.choice(sorted(templates))
    lang = rng.choice(("en", "zh"))
    level = rng.random()
    difficulty = 0.15 * level if rng.random() < easy else level
    return drafted(rng, template, lang, difficulty, split, seed, index, fonts or {})


def drafted(
    rng: random.Random, template: str, lang: str, difficulty: float, split: Split, seed: int, index: int, fonts: Fonts
) -> Draft:
    """A page of a given kind, language and difficulty."""
    style = draw_style(rng, lang, difficulty, fonts)
    words = Words(rng, lang, held=split in HELD)
    body = (TRAINED | UNSEEN | PAGES)[template](rng, words, style)
    return Draft(style.css() + body, style, template, split, seed, index, frozenset(words.content))
