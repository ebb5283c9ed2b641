"""Kinds that no training split takes: weather, calculator, files, ticket, quiz and dashboard screens."""

from __future__ import annotations

import random

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import Words


def weather(rng: random.Random, words: Words, style: Style) -> str:
    """A large temperature, then other cities or hours with theirs."""
    city, now = words.pick("city"), words.number(2, 99)
    big = parts.value(f"{now}°", ("temperature", city, now, "°"), "xl st fit")
    sun = parts.box("", css="width:2.6em;height:2.6em;border-radius:50%;background:radial-gradient(#fd6,#f90)")
    name = parts.text(city, "lg fit")
    top = parts.box(parts.sided(style, parts.box(name + big, "col g"), sun), "row card", "flex:none")
    rows = "".join(_forecast(words) for _ in range(style.rows(1.95, 4.9)))
    sky = f"background:linear-gradient({rng.randrange(360)}deg,var(--bg),var(--sf))"
    return parts.box(parts.box(parts.shuffled(rng, [top, parts.box(rows, "list")]), "body"), "s", sky)


def _forecast(words: Words) -> str:
    name, degrees = words.pick("city", "nature"), words.number(2, 99)
    return parts.el(
        "item", name, parts.box(name, "g") + parts.value(f"{degrees}°", ("temperature", name, degrees, "°")), "item"
    )


def calculator(rng: random.Random, words: Words, style: Style) -> str:
    """A display and a pad of keys, with keys at drawn places."""
    shown = words.number(10, 9999)
    digits = [*"789456123"] if rng.random() < 0.5 else [*"123456789"]
    signs = rng.sample("+−×÷", 4)
    rows = [[*digits[n * 3 : n * 3 + 3], signs[n]] for n in range(3)] + [["C", "0", "=", signs[3]]]
    keys = "".join(_key(key) for row in rows for key in (row[::-1] if style.mirrored else row))
    pad = parts.box(keys, "grid g", "grid-template-columns:repeat(4,1fr)")
    screen = parts.value(str(shown), ("display", "", shown, ""), "xl e fit")
    return parts.box(parts.box(parts.box(screen, "row card") + pad, "body", "gap:.4em"), "s")


def _key(name: str) -> str:
    look = "" if name.isdigit() else "background:var(--ac);color:var(--oa);"
    return parts.el("key", name, cls="card row c st", css=look)


def files(rng: random.Random, words: Words, style: Style) -> str:
    """Folders and files with sizes, as rows or tiles."""
    sizes = words.numbers(12, 2, 99)
    if style.span > 14 and rng.random() < 0.4:
        columns = int(style.span / 6)
        tiles = "".join(_tile(rng, words) for _ in range(columns * style.rows(3.5, 0, 3)))
        body = parts.box(tiles, "grid", f"grid-template-columns:repeat({columns},1fr)")
    else:
        body = parts.box("".join(_file(rng, words, size) for size in sizes[: style.rows(1.95)]), "list")
    nav = [words.ui("File", "文件"), words.ui("Download", "下载"), words.ui("Trash", "回收站")]
    actions = parts.icon(words, "add") + parts.icon(words, "delete") if style.rich else ""
    return parts.shell(rng, words, style, words.pick("study", "tech"), body, nav, actions)


def _sheet(rng: random.Random, css: str) -> str:
    return parts.box("", css=f"background:{parts.colour(rng)};border-radius:2px 8px 2px 2px;flex:none;{css}")


def _file(rng: random.Random, words: Words, size: int) -> str:
    name = words.pick("study", "nature", "tech")
    shown = parts.value(f"{size} MB", ("size", name, size, "MB"))
    return parts.el("item", name, _sheet(rng, "width:1em;height:1.2em") + parts.box(name) + shown, "item")


def _tile(rng: random.Random, words: Words) -> str:
    name = words.pick("study", "nature", "tech")
    return parts.el(
        "item", name, _sheet(rng, "width:1.8em;height:1.7em") + parts.box(name, "sm"), "card col", "align-items:center"
    )


def ticket(rng: random.Random, words: Words, style: Style) -> str:
    """A boarding pass: from, to, details, price and a bar code."""
    start, end = words.pick("city"), words.pick("city")
    ends = parts.box(
        parts.text(start, "lg st") + parts.box("→", "mu") + parts.text(end, "lg st"),
        "row",
        "justify-content:space-between",
    )
    labels = [("Gate", "登机口"), ("Seat", "座位"), ("Train", "车次"), ("Coach", "车厢")]
    cells = [_detail(words, *label) for label in rng.sample(labels, 2 if style.room < 11 else 4)]
    details = parts.box("".join(cells), "grid", "grid-template-columns:1fr 1fr;gap:.3em")
    who = words.person()
    person = parts.box(
        parts.value(who, ("passenger", "", who, ""), "st") + parts.money(style, end, words.number(20, 99), "e"),
        "row",
    )
    bars = parts.box(
        "",
        css="height:2em;background:repeating-linear-gradient("
        f"90deg,var(--fg) 0 2px,transparent 2px {rng.randrange(4, 7)}px)",
    )
    card = parts.box(
        ends + parts.shuffled(rng, [details, person]) + (bars if style.room > 11 else ""),
        "card",
        "display:grid;gap:.6em",
    )
    buttons = parts.box(parts.button(words.ui("Save", "保存")) + parts.button(words.ui("Share", "分享"), "o"), "row c")
    return parts.box(parts.box(parts.shuffled(rng, [card, buttons]), "body", "justify-content:space-evenly"), "s")


def _detail(words: Words, en: str, zh: str) -> str:
    label, code = words.ui(en, zh), words.code()
    return parts.box(parts.box(label, "mu sm") + parts.value(code, ("entry", label, code, ""), "st"), "col")


def quiz(rng: random.Random, words: Words, style: Style) -> str:
    """A question with lettered answers, worth points."""
    asked = parts.el("heading", words.message(), cls="st wrap fit lg" if style.room > 11 else "st wrap fit")
    answers = "".join(_answer(rng, words, letter) for letter in "ABCDE"[: style.rows(2.1, 5.4, 5)])
    points = words.number(2, 99)
    label = words.ui("Score", "得分")
    score = parts.value(f"{label}: {points}", ("score", label, points, ""), "mu fit")
    foot = parts.box(
        parts.sided(style, parts.button(words.ui("Skip", "跳过"), "o"), parts.button(words.ui("Submit", "提交"), "e")),
        "row",
    )
    blocks = [asked, parts.box(answers, "list")]
    return parts.box(
        parts.box(
            "".join([score, *blocks, foot] if rng.random() < 0.5 else [*blocks, score, foot]), "body", "gap:.4em"
        ),
        "s",
    )


def _answer(rng: random.Random, words: Words, letter: str) -> str:
    name = words.thing()
    badge = parts.box(letter, "c st", f"width:1.4em;border-radius:50%;background:{parts.colour(rng)};color:#fff")
    return parts.el("item", name, badge + parts.box(name), "item")


def dashboard(rng: random.Random, words: Words, style: Style) -> str:
    """Figures in tiles and a bar chart."""
    columns = 3 if style.span > 22 else 2
    count = columns * style.rows(3.4, 4.4 if style.room > 11 else 0, 3)
    tiles = "".join(_figure(words) for _ in range(count))
    grid = parts.box(tiles, "grid", f"grid-template-columns:repeat({columns},1fr);flex:none")
    bars = "".join(
        parts.box("", css=f"flex:1;height:{rng.randrange(10, 100)}%;background:{parts.colour(rng)}")
        for _ in range(rng.randrange(4, 9))
    )
    chart = parts.box(bars, "card row g", "align-items:flex-end;min-height:0") if style.room > 11 else ""
    nav = [words.ui("Today", "今天"), words.ui("Week", "周"), words.ui("Month", "月")]
    return parts.shell(
        rng,
        words,
        style,
        words.pick("study"),
        parts.shuffled(rng, [grid, chart]),
        nav,
        parts.icon(words, "refresh") if style.rich else "",
    )


def _figure(words: Words) -> str:
    name, amount = words.pick("food", "goods", "animal", "transport"), words.number(2, 99)
    return parts.el(
        "item",
        name,
        parts.box(name, "mu sm") + parts.value(str(amount), ("count", name, amount, ""), "lg st"),
        "card col",
    )
