"""Tasks on pages that answer: a goal in words, a page, the state that it must reach, and the way there.

The pages are put together from the parts of generated screens, in templates of their own that no training data shows,
with words and sentences that training is kept from. `moves` is the way of one who knows the page: each names the
element to touch, and the state from which on it is done.
"""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lapis import actions
from lapis.data.screens import parts, phrases
from lapis.data.screens.style import Fonts, Style, draw_style
from lapis.data.screens.words import Words
from lapis.data.synth.screen_goals import plainly

SOFT = """<style>[hidden]{display:none!important}.body,.list{overflow-y:auto;scrollbar-width:none}
input.in{font:inherit;color:var(--fg);width:100%}</style>"""
DIFFICULTY = 0.5
"""The hardest look, as the small recipes train it."""
ROWS = 16
"""Of a list that does not fit a screen."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of the way."""

    until: Mapping[str, Any]
    """It is done where the state holds this."""
    at: str
    """Selector of what is touched."""
    name: str
    """What the screen calls it."""
    text: str = ""
    """Typed into it, where there is one."""


@dataclass(frozen=True, slots=True)
class Task:
    """A goal on a page."""

    template: str
    lang: str
    goal: str
    html: str
    width: int
    """CSS pixels."""
    height: int
    state: Mapping[str, Any]
    """The page's own, as it begins."""
    moves: tuple[Move, ...]
    """In order; the goal is reached where all of them are done."""

    def done(self, state: Mapping[str, Any]) -> bool:
        return all(_holds(state, move.until) for move in self.moves)

    def next(self, state: Mapping[str, Any]) -> Move | None:
        """The first move that is not done."""
        return next((move for move in self.moves if not _holds(state, move.until)), None)


def _holds(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(state.get(key) == value for key, value in wanted.items())


@dataclass(slots=True)
class Plan:
    """A page while it is written."""

    goal: str
    body: str
    state: dict[str, Any] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)


def task(seed: int, index: int, fonts: Fonts | None = None, template: str = "") -> Task:
    """Task `index` of a set: a pure function of its arguments. Templates take turns unless one is named."""
    rng = random.Random(f"{seed}/act/{index}")
    template = template or [*TEMPLATES][index % len(TEMPLATES)]
    words = Words(rng, rng.choice(("en", "zh")), held=True)
    style = draw_style(rng, words.lang, rng.random() * DIFFICULTY, fonts or {})
    plan = TEMPLATES[template](rng, words, style)
    page = f"<!doctype html><html><body>{style.css()}{SOFT}{plan.body}</body></html>"
    goal = plan.goal[0].upper() + plan.goal[1:]
    return Task(template, words.lang, goal, page, style.width, style.height, plan.state, tuple(plan.moves))


def _live(markup: str, **attributes: str) -> str:
    """An element with attributes that page.js reads."""
    said = "".join(f' {name.strip("_")}="{html.escape(value)}"' for name, value in attributes.items())
    return markup.replace("<div", f"<div{said.replace('data_', 'data-')}", 1)


def _entry(key: str, name: str) -> str:
    name = html.escape(name)
    return f'<input class="in" id="{key}" data-field="{key}" placeholder="{name}" autocomplete="off">'


def _page(words: Words, inner: str) -> str:
    header = parts.box(parts.box(html.escape(words.pick("study", "tech")), "t"), "h")
    return parts.box(header + parts.box(inner, "body"), "s")


def _say(rng: random.Random, words: Words, what: str, **said: object) -> str:
    """A goal in held-out words, without an opening."""
    return plainly(words.lang, "held", what, rng, **said)


def _switch_rows(rng: random.Random, words: Words, count: int) -> tuple[str, list[str], dict[str, Any]]:
    names = [words.pick("setting", "tech", "health") for _ in range(count)]
    state = {f"s{at}": rng.random() < 0.5 for at in range(count)}
    rows = [
        parts.box(
            parts.box(html.escape(name), "g")
            + _live(parts.box("<i></i>", "sw"), id_=f"s{at}", data_flip=f"s{at}", data_on=f"s{at}=true"),
            "item",
        )
        for at, name in enumerate(names)
    ]
    return "".join(rows), names, state


def switches(rng: random.Random, words: Words, style: Style) -> Plan:
    """One of several switches is to be turned over."""
    rows, names, state = _switch_rows(rng, words, style.rows(2.1, most=6))
    at = rng.randrange(len(names))
    want = not state[f"s{at}"]
    goal = _say(rng, words, "on" if want else "off", name=names[at])
    return Plan(goal, _page(words, parts.box(rows, "list")), state, [Move({f"s{at}": want}, f"#s{at}", names[at])])


def notice(rng: random.Random, words: Words, style: Style) -> Plan:
    """A dialog lies over the switches and has to be closed first."""
    plan = switches(rng, words, style)
    ok = words.ui("OK", "确定")
    button = _live(parts.button(ok), id_="ok", data_set="shut=yes")
    message = parts.box(html.escape(words.message()), "wrap")
    card = parts.box(
        message + parts.box(button, "row c"), "card", "background:var(--bg);display:grid;gap:.6em;width:90%"
    )
    dim = "position:absolute;inset:0;background:#0008;display:flex;align-items:center;justify-content:center"
    over = _live(parts.box(card, css=dim), data_show="shut=no")
    body = plan.body.removesuffix("</div>") + over + "</div>"
    first = "close the message, then {goal}" if words.lang == "en" else "先关掉提示,再{goal}"
    moves = [Move({"shut": "yes"}, "#ok", ok), *plan.moves]
    return Plan(first.format(goal=plan.goal), body, {**plan.state, "shut": "no"}, moves)


def choice(rng: random.Random, words: Words, style: Style) -> Plan:
    """One of several radio marks."""
    names = [words.thing() for _ in range(style.rows(2.1, most=6))]
    rows, at = _choices(names, "pick"), rng.randrange(len(names))
    goal = _say(rng, words, "click", name=names[at], role=phrases.ROLES["item"][words.lang == "zh"])
    return Plan(goal, _page(words, rows), {"pick": ""}, [Move({"pick": str(at)}, f"#pick{at}", names[at])])


def _choices(names: list[str], key: str) -> str:
    rows = (
        _live(
            parts.box(_live(parts.box("", "ck ro"), data_on=f"{key}={at}") + parts.box(html.escape(name), "g"), "item"),
            id_=f"{key}{at}",
            data_set=f"{key}={at}",
        )
        for at, name in enumerate(names)
    )
    return parts.box("".join(rows), "list", "flex:none")


def entry(rng: random.Random, words: Words, style: Style) -> Plan:
    """One of a few fields is to be filled."""
    names = [words.pick("study", "hobby", "place") for _ in range(style.rows(2.6, most=3))]
    at, text = rng.randrange(len(names)), words.pick("city", "goods")
    fields = "".join(_entry(f"f{number}", name) for number, name in enumerate(names))
    goal = _say(rng, words, "type", name=names[at], text=text)
    state = {f"f{number}": "" for number in range(len(names))}
    return Plan(goal, _page(words, fields), state, [Move({f"f{at}": text}, f"#f{at}", names[at], text)])


def listing(rng: random.Random, words: Words, style: Style) -> Plan:
    """An entry of a list that is longer than the screen."""
    names = [words.thing() for _ in range(ROWS)]
    at = rng.randrange(ROWS)
    goal = _say(rng, words, "click", name=names[at], role=phrases.ROLES["item"][words.lang == "zh"])
    body = _page(words, _choices(names, "row").replace(" ro", ""))
    return Plan(goal, body, {"row": ""}, [Move({"row": str(at)}, f"#row{at}", names[at])])


def stepper(rng: random.Random, words: Words, style: Style) -> Plan:
    """A number is to be counted up."""
    name, now, more = words.pick("food", "goods"), rng.randrange(1, 5), rng.randrange(1, 4)
    plus = _live(parts.button("+"), id_="plus", data_add="n=1")
    minus = _live(parts.button("−", "o"), id_="minus", data_add="n=-1")
    row = parts.box(html.escape(name), "g") + minus + _live(parts.box("", "st"), data_say="n") + plus
    frames = {"en": "set {name} to {n}", "zh": "把{name}的数量调到{n}"}
    goal = frames[words.lang].format(name=name, n=now + more)
    return Plan(goal, _page(words, parts.box(row, "item")), {"n": now}, [Move({"n": now + more}, "#plus", "+")])


def cart(rng: random.Random, words: Words, style: Style) -> Plan:
    """One of several things is to be added."""
    names = [words.pick("food", "goods") for _ in range(style.rows(2.3, most=5))]
    add, added = words.ui("Add", "添加"), words.ui("Added", "已添加")
    at = rng.randrange(len(names))
    rows = "".join(_thing(name, number, add, added) for number, name in enumerate(names))
    goal = {"en": "add {name} to the cart", "zh": "把{name}加入购物车"}[words.lang].format(name=names[at])
    state = {f"a{number}": "no" for number in range(len(names))}
    return Plan(goal, _page(words, rows), state, [Move({f"a{at}": "yes"}, f"#a{at}", names[at])])


def _thing(name: str, number: int, add: str, added: str) -> str:
    key = f"a{number}"
    before = _live(parts.button(add), id_=key, data_set=f"{key}=yes", data_show=f"{key}=no")
    after = _live(parts.box(html.escape(added), "mu"), data_show=f"{key}=yes")
    return parts.box(parts.box(html.escape(name), "g") + before + after, "item")


def tabs(rng: random.Random, words: Words, style: Style) -> Plan:
    """Another tab is to be shown."""
    names = [words.stock() for _ in range(3)]
    at = rng.randrange(1, 3)
    bar = "".join(
        _live(parts.box(html.escape(name), "tab"), id_=f"t{number}", data_set=f"tab={number}", data_on=f"tab={number}")
        for number, name in enumerate(names)
    )
    texts = "".join(
        _live(parts.box(html.escape(words.message()), "wrap"), data_show=f"tab={number}")
        for number in range(len(names))
    )
    goal = _say(rng, words, "click", name=names[at], role=phrases.ROLES["tab"][words.lang == "zh"])
    moves = [Move({"tab": str(at)}, f"#t{at}", names[at])]
    return Plan(goal, _page(words, parts.box(bar, "row") + texts), {"tab": "0"}, moves)


def form(rng: random.Random, words: Words, style: Style) -> Plan:
    """Two steps: a field and on, then a choice and off it goes."""
    name, text = words.pick("study", "place"), words.pick("city", "goods")
    names = [words.thing() for _ in range(3)]
    at = rng.randrange(3)
    go, send, sent = words.ui("Next", "下一步"), words.ui("Send", "发送"), words.ui("Sent", "已发送")
    first = _entry("field", name) + _live(parts.button(go), id_="go", data_set="went=yes;step=two", data_need="field")
    second = _choices(names, "pick") + _live(parts.button(send), id_="send", data_set="step=three", data_need="pick")
    css = "display:grid;gap:.5em"
    panes = (("one", first), ("two", second), ("three", parts.box(html.escape(sent), "st")))
    body = "".join(_live(parts.box(inner), style=css, data_show=f"step={step}") for step, inner in panes)
    frames = {
        "en": "enter {text} for {name}, go on, choose {option} and send",
        "zh": "{name}填{text},下一步选{option},然后发送",
    }
    goal = frames[words.lang].format(text=text, name=name, option=names[at])
    moves = [
        Move({"field": text}, "#field", name, text),
        Move({"went": "yes"}, "#go", go),
        Move({"pick": str(at)}, f"#pick{at}", names[at]),
        Move({"step": "three"}, "#send", send),
    ]
    return Plan(goal, _page(words, body), {"field": "", "pick": "", "step": "one", "went": "no"}, moves)


Template = Callable[[random.Random, Words, Style], Plan]
TEMPLATES: dict[str, Template] = {
    "switches": switches, "choice": choice, "entry": entry, "cart": cart, "tabs": tabs, "stepper": stepper,
    "notice": notice, "listing": listing, "form": form,
}  # fmt: skip
"""Every template; the last three take several steps."""


def touch(move: Move, point: actions.Point) -> actions.Action:
    """A move as an action at a point."""
    if move.text:
        return actions.Type(target=move.name, coordinate=point, text=move.text)
    return actions.Click(target=move.name, coordinate=point)
