"""Screen templates by kind. A template is a function (rng, words, style) -> HTML; UNSEEN kinds are never trained on."""

from __future__ import annotations

import random
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
PAGES: dict[str, Template] = {"page": text.page}
"""Dense text for the ViT's first lessons; no questions about elements are asked of it."""
