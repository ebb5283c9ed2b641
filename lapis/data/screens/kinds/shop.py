"""Shop screens: product cards, product lists and the cart."""

from __future__ import annotations

import random

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import Words


def shop(rng: random.Random, words: Words, style: Style) -> str:
    """Products as cards or rows, with prices and buttons."""
    draw = _cards if style.span > 13 and rng.random() < 0.55 else _rows
    cart = rng.random() < 0.3
    title = words.ui("Cart", "购物车") if cart else words.ui("Shop", "商店")
    top = parts.field(words.ui("Search", "搜索")) if style.room > 11 and rng.random() < 0.5 else ""
    foot = parts.button(words.ui("Checkout", "结算")) if cart and style.room > 9 else ""
    body = top + draw(rng, words, style, 2.2 * bool(top) + 2.2 * bool(foot)) + foot
    nav = [words.ui("Home", "首页"), words.ui("Orders", "订单"), words.pick("goods"), words.pick("food")]
    return parts.shell(rng, words, style, title, body, nav, parts.icon(words, "cart") if style.rich else "")


def _rows(rng: random.Random, words: Words, style: Style, reserve: float) -> str:
    count = style.rows(2.2, reserve)
    prices = words.numbers(count, 2, 120)
    label = words.ui("Buy", "购买") if rng.random() < 0.5 else words.ui("Add", "添加")
    return parts.box("".join(_row(rng, words, style, price, label) for price in prices), "list")


def _row(rng: random.Random, words: Words, style: Style, price: int, label: str) -> str:
    name = words.pick("food", "goods")
    thumb = parts.picture(rng, "width:1.6em;height:1.6em;border-radius:var(--r)") if style.rich else ""
    buy = parts.button(label, "o sm", of=name) if style.span > 15 else ""
    inside = thumb + parts.box(name, "g") + parts.money(style, name, price) + buy
    return parts.el("item", name, inside, "item")


def _cards(rng: random.Random, words: Words, style: Style, reserve: float) -> str:
    columns = max(2, int(style.span / 8))
    tall = 5.0 if style.rich else 3.1
    count = columns * style.rows(tall, reserve, 3)
    cards = "".join(_card(rng, words, style, price) for price in words.numbers(count, 2, 120))
    return parts.box(cards, "grid g", f"grid-template-columns:repeat({columns},1fr);overflow:hidden")


def _card(rng: random.Random, words: Words, style: Style, price: int) -> str:
    name = words.pick("food", "goods")
    art = parts.picture(rng, "flex:1;min-height:1em;border-radius:var(--r)") if style.rich else ""
    line = parts.money(style, name, price)
    return parts.el("item", name, parts.shuffled(rng, [art, parts.box(name)]) + line, "card col")
