"""Screen templates by kind. A template is a function (rng, words, style) -> HTML; UNSEEN kinds are never trained on."""

from __future__ import annotations

import html
import random
import re
from collections.abc import Callable

from lapis.data.screens.kinds import shop, social, system, text, tools, unseen
from lapis.data.screens.style import Style
from lapis.data.screens.words import Words

Template = Callable[[random.Random, Words, Style], str]

TRAINED: dict[str, Template] = {
    "settings": system.settings,
    "chat": social.chat,
    "shop": shop.shop,
    "mail": social.mail,
    "calendar": tools.calendar,
    "map": tools.map_,
    "player": tools.player,
    "form": tools.form,
    "table": tools.table,
    "login": system.login,
    "feed": social.feed,
    "dialogue": system.dialogue,
}
UNSEEN: dict[str, Template] = {
    "weather": unseen.weather,
    "calculator": unseen.calculator,
    "files": unseen.files,
    "ticket": unseen.ticket,
    "quiz": unseen.quiz,
    "dashboard": unseen.dashboard,
}
QUOTED = 4
"""Screens whose words a page quotes."""


def page(rng: random.Random, words: Words, style: Style) -> str:
    """Dense text (text.py), half of it what a few trained screens say: characters of labels, names and messages too."""
    drawn = (rng.choice(sorted(TRAINED)) for _ in range(QUOTED))
    bodies = [TRAINED[kind](rng, Words(rng, words.lang, words.held, words.han), style) for kind in drawn]
    shown = (html.unescape(found).strip() for body in bodies for found in re.findall(r">([^<>]+)<", body))
    return text.page(rng, words, style, [found for found in shown if any(char.isalpha() for char in found)])


PAGES: dict[str, Template] = {"page": page}
"""Dense text for the ViT's first lessons; no questions about elements are asked of it."""
