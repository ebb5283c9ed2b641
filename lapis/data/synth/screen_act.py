"""Goals on a screen, each with the one action that comes next: kind `screen/act`.

An answer is the action's JSON (lapis/actions.py), which names what it points at before it points, as answers of
`screen/ground` do. A conversation holds several goals about one picture; its last one may show a thought: where the
model finds what it needs, in the form of `screen/ground`, or what it sees of a state. A goal whose state is there
already ends with `terminate`; what is not to be seen is scrolled for where the page goes on.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lapis import actions
from lapis.data.screens import phrases, tasks
from lapis.data.screens.page import LICENCE, Box, Element, Screen
from lapis.data.screens.words import TOPICS, pool
from lapis.data.synth.screen_goals import STATES, say
from lapis.types import Sample, Text, Turn
from lapis.verify import point_text

MOST = 4
"""Goals of a conversation: as many as fit into a row of 512 tokens beside a picture of three tiles."""
THOUGHTS = 0.4
"""Share of conversations whose last goal is thought about."""
LISTS = 3
"""Items from which on a screen is a list, in which what is not to be seen may stand further down."""
BACKS = frozenset({"icon", "button", "link"})
"""Roles of what leads back on a page."""
UP, DOWN = ((500, 750), (500, 250)), ((500, 250), (500, 750))
"""A finger that goes up shows what is further down."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted, and the action that is right now."""

    words: str
    action: actions.Action
    thought: str
    spots: tuple[Box | None, ...] = ()
    """In thousandths, of each coordinate of the action: at whose middle it points; None where any place will do."""
    boxes: tuple[Box, ...] = ()
    """In thousandths: the whole of what each spot is in."""
    tags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def points(self) -> list[list[float] | None]:
        """The spot of each point that is written in the action."""
        return [[*spot] if spot else None for spot in self.spots]


def conversation(screen: Screen, rng: random.Random) -> list[Sample]:
    """One training conversation, or none where no goal fits the screen."""
    goals = list({goal.words: goal for goal in _drawn(screen, rng, "train", MOST)}.values())
    if not goals:
        return []
    think = rng.random() < THOUGHTS
    last = goals[-1]
    seen = last.points if think and last.boxes else []
    boxes = [point for goal in goals[:-1] for point in goal.points] + seen + last.points
    return [_sample(screen, goals, think, {"template": screen.template, "boxes": boxes})]


def texts(screen: Screen) -> list[str]:
    """Goals and actions of a screen as a tokenizer reads them."""
    return [turn.text for sample in conversation(screen, random.Random(screen.index)) for turn in sample.turns]


def single(screen: Screen, rng: random.Random) -> Sample | None:
    """One held-out goal with its check, in words that training never says; None where the screen has none."""
    goals = _drawn(screen, rng, "held", 1)
    if not goals:
        return None
    goal = goals[0]
    answer = actions.write(goal.action)
    checked: dict[str, Any] = {"verifier": "action", "action": expected(goal.action, goal.boxes), "answer": answer}
    checked |= {"box": list(goal.boxes[0])} if goal.boxes else {}
    return _sample(screen, [goal], True, {"template": screen.template, **goal.tags, **checked})


def expected(action: actions.Action, boxes: tuple[Box, ...] = ()) -> dict[str, Any]:
    """What `verify` compares an answer with: the action's fields, and for coordinates the boxes that they must hit."""
    fields = {name: value for name, value in actions.arguments(action).items() if name != "target"}
    return {"action": action.name, **fields, "boxes": [list(box) for box in boxes]}


def _sample(screen: Screen, goals: list[Goal], think: bool, meta: Mapping[str, Any]) -> Sample:
    turns = []
    for number, goal in enumerate(goals):
        asked = Text(actions.prompt(goal.words))
        turns.append(Turn("user", (asked,) if number else (screen.image, asked)))
        turns.append(Turn("assistant", (Text(actions.write(goal.action)),), goal.thought))
    return Sample(
        kind="screen/act",
        lang=screen.lang,
        source=screen.source,
        licence=LICENCE,
        turns=tuple(turns),
        think=think,
        cells=({"words": list(screen.words), "letters": list(screen.letters)},),
        meta={"split": screen.split, "seed": screen.seed, **meta},
    )


def _drawn(screen: Screen, rng: random.Random, split: str, count: int) -> list[Goal]:
    """Goals of drawn kinds; a kind that the screen does not fit gives way to the next one drawn."""
    drawn: list[Goal] = []
    left = dict(MAKERS)
    while left and len(drawn) < count:
        make = rng.choices([*left], [*left.values()])[0]
        goal = make(screen, rng, split)
        if goal is None:
            del left[make]
        else:
            drawn.append(goal)
    return drawn


def _named(screen: Screen) -> list[Element]:
    return [one for one in screen.elements if one.unique and one.role in tasks.ASKED and _short(one.name)]


def _short(name: str) -> bool:
    return 0 < len(name) <= actions.LONGEST


def _place(screen: Screen, box: Box) -> actions.Point:
    x, y, w, h = screen.thousandths(box)
    across, down = (min(actions.SCALE - 1, max(0, int(share))) for share in (x + w / 2, y + h / 2))
    return across, down


def _pointed(screen: Screen, words: str, action: actions.Action, said: str, element: Element) -> Goal:
    """A goal whose action points at one element."""
    spot = screen.thousandths(element.spot)
    tags = {"role": element.role, "held_word": element.data["held_word"], "does": action.name}
    thought = f"{said} {point_text(spot)}"
    return Goal(words, action, thought, (spot,), (screen.thousandths(element.box),), tags)


def _touch(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Tap what has this name; now and then in another way."""
    if not (named := _named(screen)):
        return None
    element = rng.choice(named)
    kind = rng.choices((actions.Click, actions.DoubleClick, actions.LongPress), (8, 1, 1))[0]
    role = phrases.ROLES[element.role][screen.lang == "zh"]
    words = say(screen.lang, split, kind.name, rng, name=element.name, role=role)
    action = kind(target=element.name, coordinate=_place(screen, element.spot))
    return _pointed(screen, words, action, element.name, element)


def _fill(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Type into a field."""
    fields = [element for element in _named(screen) if element.role == "input"]
    if not fields:
        return None
    element, text = rng.choice(fields), _typed(rng, screen.lang, split)
    words = say(screen.lang, split, "type", rng, name=element.name, text=text)
    action = actions.Type(target=element.name, coordinate=_place(screen, element.spot), text=text)
    return _pointed(screen, words, action, element.name, element)


def _typed(rng: random.Random, lang: str, split: str) -> str:
    """A word of this side of the split, or a number."""
    if rng.random() < 0.2:
        return str(rng.randrange(10, 1000))
    return rng.choice(pool(lang, rng.choice(("city", "given", *TOPICS)), split == "held"))


def _switch(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Turn something on or off, or end where it is so already."""
    found = [one for one in screen.elements if one.data.get("field") == "state" and _short(one.data["item"])]
    times = Counter((one.role, one.data["item"]) for one in found)
    found = [one for one in found if times[one.role, one.data["item"]] == 1]
    if not found:
        return None
    element, want = rng.choice(found), rng.choice(("on", "off"))
    name, state = element.data["item"], element.data["value"]
    words = say(screen.lang, split, want, rng, name=name)
    if state == want:
        thought = f"{name}: {STATES[screen.lang][want]}"
        return Goal(words, actions.Terminate(status="success"), thought, tags={"does": "terminate"})
    return _pointed(screen, words, actions.Click(target=name, coordinate=_place(screen, element.spot)), name, element)


def _drag(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Take one item to another."""
    items = [element for element in _named(screen) if element.role == "item"]
    if len(items) < 2:
        return None
    one, other = rng.sample(items, 2)
    words = say(screen.lang, split, "drag", rng, name=one.name, other=other.name)
    ends = {"coordinate": _place(screen, one.spot), "coordinate2": _place(screen, other.spot)}
    spots = tuple(screen.thousandths(element.spot) for element in (one, other))
    boxes = tuple(screen.thousandths(element.box) for element in (one, other))
    thought = f"{one.name} {point_text(spots[0])},{other.name} {point_text(spots[1])}"
    return Goal(words, actions.Drag(target=one.name, **ends), thought, spots, boxes, {"does": "drag"})


def _scroll(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Show another part, where the page has one and nothing lies over it that a finger would move or type on."""
    up, down = screen.spare or (1, 1)
    ways = ["down"] * 2 * (down > 0) + ["up"] * (up > 0)
    if not ways or _lies_over(screen):
        return None
    way = rng.choice(ways)
    return _swiped(say(screen.lang, split, way, rng), way, way)


def _swiped(words: str, way: str, thought: str) -> Goal:
    start, end = UP if way == "down" else DOWN
    action = actions.Swipe(coordinate=start, coordinate2=end)
    return Goal(words, action, thought, (None, None), tags={"does": "swipe"})


def _absent(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Tap what is not to be seen: where the page goes on, else nowhere; not asked where it cannot be scrolled now."""
    names = screen.missing(pool(screen.lang, rng.choice(TOPICS), split == "held"))
    if not names or _lies_over(screen):
        return None
    name, role = rng.choice(names), phrases.ROLES["item"][screen.lang == "zh"]
    words = say(screen.lang, split, "click", rng, name=name, role=role)
    thought = f"{name}: {phrases.ABSENT[screen.lang]}"
    if way := _goes_on(screen):
        return _swiped(words, way, thought)
    return Goal(words, actions.Terminate(status="failure"), thought, tags={"does": "terminate"})


def _lies_over(screen: Screen) -> bool:
    """Whether a dialogue, a menu or a keyboard is open, which a swipe or the device's back button would close first."""
    return bool(screen.over) or any(one.role in ("key", "option") for one in screen.elements)


def _goes_on(screen: Screen) -> str:
    """Where more of the page is: down, up or nowhere. Where nobody has measured it, a list or what is cut off tells."""
    if screen.spare is None:
        return "down" if screen.partial or sum(one.role == "item" for one in screen.elements) >= LISTS else ""
    up, down = screen.spare
    return "down" if down > 0 else "up" if up > 0 else ""


def _back(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Leave the screen: by its own icon where it has one, else by the device's button; not asked where something lies
    over it, or over that icon."""
    words, names = say(screen.lang, split, "back", rng), ("back", "返回")
    icons = [one for one in screen.elements if one.role in BACKS and one.name.casefold() in names]
    if _lies_over(screen) or (not icons and any(name.casefold() in names for name in screen.behind)):
        return None
    if icons:
        element = icons[0]
        action = actions.Click(target=element.name, coordinate=_place(screen, element.spot))
        return _pointed(screen, words, action, element.name, element)
    return Goal(words, actions.SystemButton(button="back"), "back", tags={"does": "system_button"})


def _button(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Press a button of the device."""
    button = rng.choice(("home", "enter"))
    action = actions.SystemButton(button=button)
    return Goal(say(screen.lang, split, button, rng), action, button, tags={"does": "system_button"})


def _plain(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Open an app, or wait."""
    if rng.random() < 0.5:
        name = rng.choice(pool(screen.lang, "tech", split == "held"))
        action: actions.Action = actions.Open(text=name)
        return Goal(say(screen.lang, split, "open", rng, name=name), action, name, tags={"does": "open"})
    seconds = rng.randrange(1, 10)
    words = say(screen.lang, split, "wait", rng, n=seconds)
    return Goal(words, actions.Wait(seconds=seconds), str(seconds), tags={"does": "wait"})


def _tell(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Answer a question about the screen."""
    asked = tasks.single(screen, rng, "qa")
    if asked is None or not _short(asked.meta["answer"]):
        return None
    answer = asked.meta["answer"]
    words = say(screen.lang, split, "answer", rng, question=asked.turns[0].text)
    return Goal(words, actions.Answer(text=answer), answer, tags={"does": "answer"})


def _note(screen: Screen, rng: random.Random, split: str) -> Goal | None:
    """Keep a number of the screen for later."""
    clear = screen.clear()
    items = [(name, value) for name, value, _ in screen.quantities() if name in clear and _short(f"{name} {value}")]
    if not items:
        return None
    name, value = rng.choice(items)
    words = say(screen.lang, split, "notes", rng, name=name)
    return Goal(words, actions.TakeNotes(text=f"{name} {value}"), f"{name} {value}", tags={"does": "take_notes"})


Maker = Callable[[Screen, random.Random, str], Goal | None]
MAKERS: dict[Maker, float] = {
    _touch: 8, _fill: 4, _switch: 4, _drag: 1, _scroll: 1, _absent: 1.5, _back: 0.7, _button: 0.5, _plain: 0.6,
    _tell: 1, _note: 0.7,
}  # fmt: skip
"""Every kind of goal, by how often it is drawn where it fits."""
