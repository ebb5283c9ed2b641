"""Calendar, map, player, form and table screens."""

from __future__ import annotations

import random

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import Words

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
WEEK = {"en": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"), "zh": ("一", "二", "三", "四", "五", "六", "日")}

LABELS = (("Name", "姓名"), ("City", "城市"), ("Age", "年龄"), ("Phone", "电话"), ("Amount", "金额"), ("Date", "日期"))
"""Of form fields, beside drawn words."""


def calendar(rng: random.Random, words: Words, style: Style) -> str:
    """A month of days, or a day of appointments."""
    nav = [words.ui("Day", "日"), words.ui("Week", "周"), words.ui("Month", "月"), words.ui("Year", "年")]
    month = rng.randrange(12)
    title = f"{month + 1}月" if style.lang == "zh" else MONTHS[month]
    add = parts.icon(words, "add") if style.rich else ""
    timed = rng.random() < 0.4
    if style.room > 10.5 and style.span > 11.5 and rng.random() < 0.6:
        left = style.room - 8.6
        events = "".join(_event(rng, words, style, timed) for _ in range(int(left / 2.3)))
        body = parts.shuffled(rng, [_month(rng, style), parts.box(events, "list") if events else ""])
    else:
        body = parts.box("".join(_event(rng, words, style, timed) for _ in range(style.rows(2.1))), "list")
    return parts.shell(rng, words, style, title, body, nav, add)


def _month(rng: random.Random, style: Style) -> str:
    first, days, today = rng.randrange(7), rng.randrange(28, 32), rng.randrange(1, 29)
    heads = [parts.box(day, "mu sm c") for day in WEEK[style.lang]]
    blanks = [""] * first
    cells = [_day(day, day == today) for day in range(1, days + 1)]
    inner = "".join(heads + [parts.box(blank) for blank in blanks] + cells)
    return parts.box(inner, "grid", "grid-template-columns:repeat(7,1fr);gap:.05em;flex:none")


def _day(day: int, today: bool) -> str:
    return parts.el(
        "day", str(day), cls="c", css="background:var(--ac);color:var(--oa);border-radius:var(--r)" if today else ""
    )


def _event(rng: random.Random, words: Words, style: Style, timed: bool) -> str:
    """An appointment with its hour, or with how many minutes it lasts."""
    name, time, minutes = words.pick("act", "study", "hobby", "job"), words.time(), words.number(2, 99)
    unit = "分" if style.lang == "zh" else "min"
    lasts = parts.value(f"{minutes} {unit}", ("lasts", name, minutes, unit), "mu sm")
    when = parts.value(time, ("time", name, time, ""), "mu sm") if timed else lasts
    bar = parts.box("", css=f"width:.3em;align-self:stretch;background:{parts.colour(rng)}") if style.rich else ""
    return parts.el("item", name, bar + parts.sided(style, parts.box(name, "g"), when), "item")


def map_(rng: random.Random, words: Words, style: Style) -> str:
    """Streets with named pins, a search box, a route and buttons."""
    pins = "".join(_pin(rng, words, style, slot) for slot in rng.sample(range(8), min(8, int(style.room / 2.4))))
    ground = parts.box(
        _streets(rng, style) + pins + _zoom(rng, words, style),
        css="position:relative;flex:1;min-height:0;overflow:hidden",
    )
    search = parts.field(words.ui("Search", "搜索"), "margin:.3em .4em;flex:none")
    blocks = [ground]
    if style.height > 200 and rng.random() < 0.7:
        blocks.append(_route(words, style))
    if rng.random() < 0.7:
        blocks.append(search)
    nav = [words.ui("Explore", "探索"), words.ui("Saved", "收藏"), words.ui("Nearby", "附近")]
    bar = parts.box(parts.tabs(rng, rng.sample(nav, 3)), "f") if style.nav else ""
    blocks = rng.sample(blocks, len(blocks))
    return parts.box("".join([bar, *blocks] if style.nav_first else [*blocks, bar]), "s")


def _streets(rng: random.Random, style: Style) -> str:
    land, road, water = (18, 34, 26) if style.dark else (92, 100, 78)
    lines = "".join(
        f'<path d="M{rng.randrange(-20, 320)} {rng.randrange(-20, 320)}L{rng.randrange(300)} {rng.randrange(300)}'
        f'L{rng.randrange(-20, 320)} {rng.randrange(-20, 320)}" stroke="hsl(40 20% {road}%)" fill="none"'
        f' stroke-width="{rng.randrange(4, 12)}"/>' for _ in range(rng.randrange(2, 7))
    )  # fmt: skip
    x, y, radius = rng.randrange(300), rng.randrange(300), rng.randrange(20, 70)
    lake = f'<circle cx="{x}" cy="{y}" r="{radius}" fill="hsl(205 50% {water}%)"/>'
    css = f"position:absolute;width:100%;height:100%;background:hsl({rng.randrange(60, 140)} 20% {land}%)"
    return f'<svg style="{css}" viewBox="0 0 300 300" preserveAspectRatio="none">{lake}{lines}</svg>'


def _pin(rng: random.Random, words: Words, style: Style, slot: int) -> str:
    """A pin in one of eight cells of the ground (two columns, four rows), so that pins stay apart."""
    left, top = slot % 2 * 46 + rng.uniform(1, 12), slot // 2 * 24 + rng.uniform(1, 8)
    dot = parts.box(
        "", css=f"width:.7em;height:.7em;border-radius:50%;background:{parts.colour(rng)};border:1px solid #fff"
    )
    name = words.pick("place", "place", "city")
    css = (
        f"position:absolute;left:{left:.1f}%;top:{top:.1f}%;gap:.2em;padding:.05em .25em;background:var(--bg);"
        "border-radius:var(--r)"
    )
    return parts.el("item", name, parts.sided(style, dot, parts.box(name, "sm")), "row", css)


def _zoom(rng: random.Random, words: Words, style: Style) -> str:
    if style.difficulty < 0.2:
        return ""
    side = "left" if style.mirrored else "right"
    css = f"position:absolute;{side}:.3em;bottom:.3em;background:var(--bg);border-radius:var(--r)"
    return parts.box(parts.icon(words, "add") + parts.icon(words, rng.choice(("home", "refresh", "share"))), "row", css)


def _route(words: Words, style: Style) -> str:
    """Ways to get there and how long each takes."""
    unit = "分" if style.lang == "zh" else "min"
    ways = []
    for minutes in words.numbers(2 + (style.span > 18), 3, 99):
        name = words.pick("transport")
        ways.append(
            parts.box(
                parts.text(name, "sm") + parts.value(f"{minutes} {unit}", ("minutes", name, minutes, unit), "st"),
                "col g",
            )
        )
    if style.span > 24:
        ways.append(parts.button(words.ui("Start", "开始"), "e"))
    return parts.box("".join(ways), "row", "padding:.35em .6em;background:var(--sf);flex:none")


def player(rng: random.Random, words: Words, style: Style) -> str:
    """A song with its controls, or a list of songs."""
    nav = [words.ui("Library", "曲库"), words.ui("Home", "首页"), words.ui("Queue", "列表")]
    if rng.random() < 0.4:
        timed = rng.random() < 0.4
        rows = "".join(_song(rng, words, style, timed) for _ in range(style.rows(2.05, 2.6)))
        body = parts.shuffled(rng, [parts.box(rows, "list"), _controls(rng, words, style, 1)])
        return parts.shell(
            rng, words, style, words.title(), body, nav, parts.icon(words, "search") if style.rich else ""
        )
    title, artist = words.title(), words.person()
    cover = parts.picture(rng, f"flex:1;min-height:2em;margin:0 {rng.randrange(0, 25)}%;border-radius:var(--r)")
    names = parts.el("text", title, cls="st") + parts.value(artist, ("artist", title, artist, ""), "mu")
    names = parts.box(names, "col", f"align-items:{'center' if style.align == 'center' else 'flex-start'}")
    done, total = rng.randrange(5, 96), words.time()
    line = parts.box(
        parts.box("", css=f"width:{done}%;height:100%;background:var(--ac)"), "g", "height:.3em;background:var(--bd)"
    )
    progress = parts.box(line + parts.value(total, ("length", title, total, ""), "mu sm"), "row")
    body = parts.shuffled(rng, [cover, names]) + parts.shuffled(rng, [progress, _controls(rng, words, style, 1.5)])
    return parts.shell(
        rng,
        words,
        style,
        words.ui("Now playing", "正在播放"),
        body,
        nav,
        parts.icon(words, "more") if style.rich else "",
    )


def _song(rng: random.Random, words: Words, style: Style, timed: bool) -> str:
    """A song with its length, or with how often it was played."""
    name, time, plays = words.title(), f"{rng.randrange(1, 9)}:{rng.randrange(60):02d}", words.number(2, 99)
    fact = ("length", name, time, "") if timed else ("plays", name, plays, "")
    shown = parts.value(time if timed else str(plays), fact, "mu sm") if style.span > 13 else ""
    return parts.el("item", name, parts.box(name, "g") + shown, "item")


def _controls(rng: random.Random, words: Words, style: Style, size: float) -> str:
    if style.difficulty < 0.3 or rng.random() < 0.3:
        names = [words.ui("Previous", "上一首"), words.ui("Play", "播放"), words.ui("Next", "下一首")]
        names = names if style.span > 18 else rng.sample(names, 2)
        return parts.box("".join(parts.button(name, rng.choice(("", "o"))) for name in names), "row c")
    keys = ["previous", rng.choice(("play", "pause")), "next"]
    keys = rng.choice((["like", *keys], [*keys, "like"], keys))
    icons = "".join(parts.icon(words, key) for key in keys)
    return parts.box(icons, "row", f"justify-content:space-evenly;font-size:{size}em")


def form(rng: random.Random, words: Words, style: Style) -> str:
    """Labelled inputs, choices and the buttons that send or drop it."""
    beside = style.span > 15 and rng.random() < 0.5
    each = 2.1 if beside else 3.2
    reserve = 2.3
    choice = style.room > 12 and rng.random() < 0.6
    count = style.rows(each, reserve + 2.0 * choice, 6)
    labels = [words.ui(*label) for label in rng.sample(LABELS, min(count // 2, len(LABELS)))]
    labels += [words.pick("study", "health", "goods") for _ in range(count - len(labels))]
    fields = [_field(rng, words, label, beside) for label in labels]
    if choice:
        fields.append(_choice(rng, words))
    ways = rng.sample(
        [words.ui("Submit", "提交"), words.ui("Cancel", "取消"), words.ui("Reset", "重置"), words.ui("Save", "保存")], 2
    )
    buttons = parts.button(ways[0]) + parts.button(ways[1], "o")
    where = rng.choice(("flex-start", "flex-end", "space-between", "center"))
    body = parts.box(parts.shuffled(rng, fields), "list") + parts.box(buttons, "row", f"justify-content:{where}")
    nav = [words.ui("Profile", "我的"), words.ui("Account", "账号"), words.pick("study")]
    return parts.shell(rng, words, style, words.pick("study", "job", "place"), body, nav, "")


def _field(rng: random.Random, words: Words, label: str, beside: bool) -> str:
    kind = rng.choice(("person", "city", "thing", "number", "empty"))
    amount = words.number(2, 99)
    typed = {"person": words.person, "city": lambda: words.pick("city"), "thing": words.thing}.get(kind, lambda: "")()
    shown = str(amount) if kind == "number" else typed
    fact = ("entry", label, amount if kind == "number" else typed, "")
    inner = parts.value(shown, fact, "fit") if shown else "&nbsp;"
    entry = parts.el("input", label, inner, "in", "color:var(--fg);" + ("flex:1" if beside else "align-self:stretch"))
    head = parts.box(label, "sm", "flex:0 0 38%;overflow:hidden" if beside else "")
    return parts.box(head + entry, "row" if beside else "col", "flex:none")


def _choice(rng: random.Random, words: Words) -> str:
    role, chosen = rng.choice(("radio", "checkbox")), rng.randrange(2)
    names = [words.pick("food", "animal", "hobby") for _ in range(2)]
    ways = [parts.check(role, name, number == chosen) + parts.text(name) for number, name in enumerate(names)]
    return parts.box("".join(parts.box(way, "row") for way in ways), "row", "gap:1em;flex:none")


def table(rng: random.Random, words: Words, style: Style) -> str:
    """A table of items and whole numbers, with a toolbar."""
    fields = rng.sample(
        (("count", "Qty", "数量"), ("score", "Score", "得分"), ("price", "Price", "价格")), 2 if style.span > 14 else 1
    )
    topic = rng.choice(("food", "goods", "city", "given", "tech", "animal"))
    columns = "1.7fr" + " 1fr" * len(fields)
    grid = f"display:grid;grid-template-columns:{columns};padding:.25em .4em;align-items:center;flex:none"
    heads = [words.ui("Item", "项目"), *(words.ui(en, zh) for _, en, zh in fields)]
    top = parts.box(
        "".join(parts.el("heading", head, cls="fit") for head in heads), "st ln", grid + ";background:var(--sf)"
    )
    bar = [words.ui("New", "新建"), words.ui("Export", "导出"), words.ui("Filter", "筛选"), words.ui("Print", "打印")]
    count = 1 + (style.span > 14) + (style.span > 22)
    tools = "".join(parts.button(name, "o sm") for name in rng.sample(bar, count)) if style.room > 9 else ""
    rows = _lines(
        rng, words, style, [name for name, _, _ in fields], topic, grid, style.rows(1.85, 4.2 if tools else 2)
    )
    listing = parts.box(top + rows, "list", "gap:.1em")
    body = parts.shuffled(rng, [listing, parts.box(tools, "row")]) if tools else listing
    nav = [words.ui("Rows", "行数"), words.ui("All", "全部"), words.pick("study"), words.pick("study")]
    return parts.shell(rng, words, style, words.pick("study", "place"), body, nav, "")


def _lines(rng: random.Random, words: Words, style: Style, fields: list[str], topic: str, grid: str, count: int) -> str:
    striped = rng.random() < 0.5
    lines = []
    for number in range(count):
        name = words.pick(topic)
        cells = "".join(_cell(rng, words, style, field, name) for field in fields)
        css = grid + (";background:var(--sf)" if striped and number % 2 else "")
        lines.append(parts.el("item", name, parts.box(name) + cells, "ln", css))
    return "".join(lines)


def _cell(rng: random.Random, words: Words, style: Style, field: str, name: str) -> str:
    amount = words.number(2, 99)
    if field == "price":
        return parts.money(style, name, amount, "fit")
    return parts.value(str(amount), (field, name, amount, ""), "fit")
