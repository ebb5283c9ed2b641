"""Settings, login and dialogue screens."""

from __future__ import annotations

import random

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import Words


def settings(rng: random.Random, words: Words, style: Style) -> str:
    """Rows of a label with a switch, a value or an arrow."""
    top = _profile(rng, words) if style.rich and style.room > 12 and rng.random() < 0.5 else ""
    rows = "".join(_setting(rng, words) for _ in range(style.rows(1.95, 3.2 if top else 0)))
    body = parts.shuffled(rng, [top, parts.box(rows, "list")]) if top else parts.box(rows, "list")
    nav = [words.ui("General", "通用"), words.ui("Privacy", "隐私"), *(words.pick("setting") for _ in range(3))]
    action = parts.icon(words, "search") if style.rich else ""
    return parts.shell(rng, words, style, words.ui("Settings", "设置"), body, nav, action)


def _profile(rng: random.Random, words: Words) -> str:
    name = words.person()
    lines = parts.box(parts.box(name, "st") + parts.text(words.pick("city"), "mu sm"), "col")
    return parts.el("item", name, parts.avatar(rng) + lines, "item")


def _setting(rng: random.Random, words: Words) -> str:
    name = words.pick("setting", "setting", "setting", "tech", "health")
    kind = rng.choices(("switch", "value", "arrow"), (5, 3, 2))[0]
    if kind == "switch":
        end = parts.switch(name, rng.random() < 0.5)
    elif kind == "value":
        amount = words.number(2, 99)
        end = parts.value(f"{amount}%", ("level", name, amount, "%"), "mu")
    else:
        end = parts.box("›", "mu")
    return parts.el("item", name, parts.box(name, "g") + end, "item")


def login(rng: random.Random, words: Words, style: Style) -> str:
    """A name, a password, a way in, and links."""
    who = words.ui("Email", "邮箱") if rng.random() < 0.5 else words.ui("Username", "用户名")
    typed = words.person() if rng.random() < 0.4 else None
    fields = [
        parts.field(who, inner=typed and parts.box(typed, css="color:var(--fg)")),
        parts.field(words.ui("Password", "密码"), inner="••••••" if rng.random() < 0.3 else None),
    ]
    enter = parts.button(words.ui("Sign in", "登录"), css="" if rng.random() < 0.7 else "align-self:center")
    links = [words.ui("Forgot password", "忘记密码"), words.ui("Sign up", "注册"), words.ui("Guest", "游客")]
    asides = [parts.el("link", name, cls="btn q sm") for name in rng.sample(links, 1 + (style.room > 11))]
    remember = words.ui("Remember me", "记住我")
    keep = parts.box(parts.check("checkbox", remember, rng.random() < 0.5) + parts.text(remember, "sm"), "row")
    optional = [keep] if style.room > 12 and rng.random() < 0.6 else []
    if style.room > 13.5 and rng.random() < 0.6:
        optional.append(parts.button(words.pick("tech", "transport", "animal"), "o"))
    rest = rng.sample(optional, len(optional)) + [parts.box("".join(asides), "row", f"justify-content:{_spread(rng)}")]
    body = _brand(rng, words, style) + "".join(fields) + parts.shuffled(rng, [enter, *rest])
    where = rng.choice(("center", "space-evenly", "flex-start"))
    css = f"justify-content:{where};gap:.5em;padding:.6em {rng.choice((0.8, 1.2, 2))}em"
    return parts.box(parts.box(body, "body", css), "s")


def _spread(rng: random.Random) -> str:
    return rng.choice(("space-between", "space-around", "flex-start"))


def _brand(rng: random.Random, words: Words, style: Style) -> str:
    name = parts.el(
        "heading", words.title(), cls="lg st fit", css=f"align-self:{'center' if style.align == 'center' else 'start'}"
    )
    if not style.rich or style.room < 13:
        return name
    shape = f"width:2.4em;height:2.4em;flex:none;border-radius:{rng.choice((4, 10, 40))}px;align-self:{style.align}"
    return parts.shuffled(rng, [parts.picture(rng, shape), name])


def dialogue(rng: random.Random, words: Words, style: Style) -> str:
    """A question in a box over a dimmed screen, or a sheet that rose from the bottom."""
    rows = "".join(parts.box(words.thing(), "item") for _ in range(style.rows(2.1, most=8)))
    behind = parts.box(parts.box(rows, "body"), "s")
    place = rng.choice(("center", "center", "flex-end", "flex-start"))
    wide = rng.randrange(70, 101) if style.difficulty > 0.4 else 92
    card = parts.box(
        _question(rng, words, style), "card",
        f"width:{wide}%;background:var(--bg);padding:.7em;display:flex;flex-direction:column;gap:.6em",
    )  # fmt: skip
    dim = f"position:absolute;inset:0;background:#000{rng.randrange(5, 10)};display:flex;padding:.6em;"
    return parts.box(behind + parts.box(card, css=f"{dim}align-items:{place};justify-content:center"), "s")


def _question(rng: random.Random, words: Words, style: Style) -> str:
    title = words.ui(*rng.choice((("Confirm", "确认"), ("Warning", "警告"), ("Delete", "删除"), ("Error", "错误"))))
    head = parts.el("heading", title, cls="st fit")
    if style.rich and rng.random() < 0.4:
        head = parts.box(head + parts.icon(words, "close", "e"), "row")
    elif style.align == "center":
        head = parts.box(head, "row c")
    lines = "".join(parts.text(words.message(), "wrap fit") for _ in range(1 + (style.room > 11)))
    ways = [words.ui("Cancel", "取消"), words.ui("OK", "确定"), words.ui("Later", "稍后"), words.stock()]
    names = rng.sample(ways, 3 if style.span > 17 and rng.random() < 0.5 else 2)
    looks = ["", *(rng.choice(("o", "q")) for _ in names[1:])]
    buttons = [parts.button(name, look) for name, look in zip(names, rng.sample(looks, len(looks)), strict=True)]
    stacked = style.room > 13 and rng.random() < 0.35
    row = parts.box("".join(buttons), "col" if stacked else "row", _ends(rng, stacked))
    extra = _extra(rng, words) if rng.random() < 0.4 and style.room > 12 else ""
    return head + lines + extra + row


def _ends(rng: random.Random, stacked: bool) -> str:
    where = rng.choice(("flex-end", "space-between", "center"))
    return "align-items:stretch;gap:.35em" if stacked else f"justify-content:{where}"


def _extra(rng: random.Random, words: Words) -> str:
    if rng.random() < 0.5:
        return parts.field(words.pick("goods", "study", "nature"))
    name = words.pick("setting", "study")
    return parts.box(parts.check("checkbox", name, rng.random() < 0.5) + parts.text(name), "row")
