"""The HTML that templates are put together from. `data-role` marks what `measure.js` reports as an element."""

from __future__ import annotations

import html
import json
import random
from collections.abc import Sequence

from lapis.data.screens.style import Style
from lapis.data.screens.words import Words

Fact = tuple[str, str, int | str, str]
"""(field, item, value, unit): what a person could ask of the element, such as ("price", "Tea", 12, "$")."""

ICONS = {
    "back": ("Back", "返回", "M15 5l-7 7 7 7"),
    "menu": ("Menu", "菜单", "M4 6h16M4 12h16M4 18h16"),
    "search": ("Search", "搜索", "M16 10a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM15 15l6 6"),
    "add": ("Add", "添加", "M12 4v16M4 12h16"),
    "close": ("Close", "关闭", "M5 5l14 14M19 5L5 19"),
    "more": ("More", "更多", "M12 5v.1M12 12v.1M12 19v.1"),
    "like": ("Like", "点赞", "M12 20C2 13 4 5 8 5c3 0 4 3 4 3s1-3 4-3c4 0 6 8-4 15z"),
    "play": ("Play", "播放", "M7 4l13 8-13 8z"),
    "pause": ("Pause", "暂停", "M8 4v16M16 4v16"),
    "next": ("Next", "下一首", "M5 5l10 7-10 7zM19 5v14"),
    "previous": ("Previous", "上一首", "M19 5L9 12l10 7zM5 5v14"),
    "call": ("Call", "呼叫", "M5 4h4l2 5-3 2c1 3 3 5 6 6l2-3 4 2v4C12 21 4 13 5 4z"),
    "message": ("Message", "消息", "M4 5h16v11H10l-5 4v-4H4z"),
    "home": ("Home", "首页", "M4 11l8-7 8 7v9H4z"),
    "profile": ("Profile", "我的", "M16 8a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM4 21c1-8 15-8 16 0"),
    "cart": ("Cart", "购物车", "M3 4h3l3 12h9l3-9H7M10 20v.1M17 20v.1"),
    "delete": ("Delete", "删除", "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13"),
    "edit": ("Edit", "编辑", "M4 20l1-5L16 4l4 4L9 19z"),
    "share": ("Share", "分享", "M12 15V4M7 8l5-5 5 5M5 13v7h14v-7"),
    "download": ("Download", "下载", "M12 4v11M7 11l5 5 5-5M5 20h14"),
    "refresh": ("Refresh", "刷新", "M19 8a8 8 0 1 0 1 6M20 3v5h-5"),
}
"""Name in English and Chinese, and the strokes in a box of 24."""


def el(
    role: str, name: str, inner: str | None = None, cls: str = "", css: str = "", of: str = "", fact: Fact | None = None
) -> str:
    """An element with a role and a name. Without `inner` it shows its name; an inner "" shows no text."""
    attributes = {"role": role, "name": name, "of": of, "fact": json.dumps(fact) if fact else ""}
    data = "".join(f' data-{key}="{html.escape(value)}"' for key, value in attributes.items() if value)
    return f'<div class="{cls}" style="{css}"{data}>{html.escape(name) if inner is None else inner}</div>'


def box(inner: str, cls: str = "", css: str = "") -> str:
    """A plain division."""
    return f'<div class="{cls}" style="{css}">{inner}</div>'


def text(words: str, cls: str = "", css: str = "", fact: Fact | None = None, role: str = "text") -> str:
    """Text that is an element of its own."""
    return el(role, words, cls=cls, css=css, fact=fact)


def icon(words: Words, key: str, cls: str = "", of: str = "") -> str:
    """A tappable icon without text."""
    en, zh, _ = ICONS[key]
    return el("icon", words.ui(en, zh), strokes(key), f"ic {cls}", of=of)


def strokes(key: str) -> str:
    """The drawing of an icon, without a role."""
    return f'<svg class="i" viewBox="0 0 24 24"><path d="{ICONS[key][2]}"/></svg>'


def button(name: str, cls: str = "", of: str = "", css: str = "") -> str:
    """A button that shows its name."""
    return el("button", name, cls=f"btn {cls}", of=of, css=css)


def field(name: str, css: str = "", inner: str | None = None) -> str:
    """An input box that shows its placeholder, or what was typed."""
    return el("input", name, inner, "in", css)


def switch(of: str, on: bool) -> str:
    """The switch of an item."""
    state = ("state", of, "on" if on else "off", "")
    return el("switch", "", "<i></i>", "sw on" if on else "sw", of=of, fact=state)


def check(role: str, of: str, on: bool) -> str:
    """A checkbox or radio mark."""
    state = ("state", of, "on" if on else "off", "")
    return el(role, "", "", f"ck {'on' if on else ''} {'ro' if role == 'radio' else ''}", of=of, fact=state)


def value(shown: str, fact: Fact, cls: str = "mu e") -> str:
    """A shown number or word that a question may ask for; a word is text, as on pages of kits."""
    return el("value" if isinstance(fact[2], int) else "text", shown, cls=cls, fact=fact)


def avatar(rng: random.Random, css: str = "") -> str:
    """A disc in place of somebody's picture."""
    return box("", "av", f"background:{colour(rng)};{css}")


def colour(rng: random.Random) -> str:
    """Any colour of middle lightness."""
    return f"hsl({rng.randrange(360)} {rng.randrange(30, 80)}% {rng.randrange(40, 70)}%)"


def picture(rng: random.Random, css: str) -> str:
    """An abstract image: a gradient with a few discs. It has no name: nobody could see it."""
    discs = "".join(
        f'<circle cx="{rng.randrange(100)}" cy="{rng.randrange(60)}" r="{rng.randrange(8, 30)}" fill="{colour(rng)}"/>'
        for _ in range(rng.randrange(1, 4))
    )
    gradient = f"linear-gradient({rng.randrange(180)}deg,{colour(rng)},{colour(rng)})"
    style = f"background:{gradient};overflow:hidden;align-self:stretch;{css}"
    inner = f'<svg width="100%" height="100%" viewBox="0 0 100 60" preserveAspectRatio="none">{discs}</svg>'
    return box(inner, css=style)


def shuffled(rng: random.Random, parts: Sequence[str]) -> str:
    """Parts in an order drawn by seed."""
    return "".join(rng.sample(list(parts), len(parts)))


def sided(style: Style, left: str, right: str) -> str:
    """Two parts side by side, swapped where the style is mirrored."""
    return right + left if style.mirrored else left + right


def money(style: Style, item: str, amount: int, cls: str = "st") -> str:
    """A price tag."""
    sign = "¥" if style.lang == "zh" else ("$", "€", "£")[style.hue % 3]
    return value(f"{sign}{amount}", ("price", item, amount, sign), cls)


def tabs(rng: random.Random, names: Sequence[str], cls: str = "") -> str:
    """Tabs, one of them chosen."""
    chosen = rng.randrange(len(names))
    return "".join(el("tab", name, cls=f"tab {cls} {'on' if i == chosen else ''}") for i, name in enumerate(names))


def shell(
    rng: random.Random, words: Words, style: Style, title: str, body: str, nav: Sequence[str], actions: str = ""
) -> str:
    """A whole screen: header, body and, where the style has them, bottom or top tabs (phone) or a sidebar (desktop)."""
    header = _header(rng, words, style, title, actions) if style.header else ""
    main = box(body, "body")
    desk = style.device == "desktop"
    shown = list(nav)[: 5 if desk or style.width > 252 else 3]
    bar = tabs(rng, rng.sample(shown, len(shown))) if style.nav and shown else ""
    if desk:
        side = box(bar, "side") if bar else ""
        return box(header + box(sided(style, side, main), "m"), "s")
    foot = box(bar, "f") if bar else ""
    parts = [header, foot, main] if style.nav_first else [header, main, foot]
    return box("".join(parts), "s")


def _header(rng: random.Random, words: Words, style: Style, title: str, actions: str) -> str:
    lead = icon(words, rng.choice(("back", "menu"))) if style.rich and rng.random() < 0.6 else ""
    accent = "ac" if rng.random() < 0.4 else ""
    return box(lead + box(el("heading", title), "t") + actions, f"h {accent}")
