"""Training conversations and held-out questions about a rendered screen, or about its elements told as text.

The picture stands once, in the first user turn; several questions follow it, so that it is encoded once. Places are
written as `(123,045)`: x, then y, in thousandths of the picture, three digits each; an answer points at the middle of
where the name is written, or of what has none.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lapis.data.screens import phrases
from lapis.data.screens.page import LICENCE, Box, Element, Screen, Word, within
from lapis.data.screens.words import pool
from lapis.types import Sample, Text, Turn
from lapis.verify import point_text

MOST_PAIRS = {"ocr": 6, "ground": 12, "describe": 6, "qa": 6, "page": 1, "told": 12}
"""Most questions of a conversation by kind: its picture costs as much as ten of them."""
MOST_LISTED = 14
"""Most lines of text that one answer lists."""
ASKED = frozenset(phrases.ROLES)


@dataclass(frozen=True, slots=True)
class Pair:
    """One question and its answer. `check` is empty where the answer has no exact check."""

    question: str
    answer: str
    check: Mapping[str, Any] = field(default_factory=dict)
    main: bool = False
    """Never left out of a conversation: a whole screen's texts and places teach most (dense targets)."""
    spot: tuple[float, ...] = ()
    """Box in thousandths at whose middle the answer points."""


def samples(
    screen: Screen, rng: random.Random, kinds: Sequence[str] = ("ocr", "ground", "describe", "qa", "told")
) -> list[Sample]:
    """One conversation for each kind that the screen has questions for."""
    made = []
    for kind in kinds:
        asked = _pairs(screen, rng, kind, _language(screen, rng, kind))
        if asked:
            made.append(conversation(screen, kind, chosen(asked, rng, MOST_PAIRS[kind])))
    return made


def single(screen: Screen, rng: random.Random, kind: str) -> Sample | None:
    """One question with an exact check (`kind` is ground, ocr or qa); None where the screen has none.

    `meta` holds answer, verifier (point, text or number), box (x, y, w, h in 0-1000), template, held_word and role.
    """
    asked = [pair for pair in _pairs(screen, rng, kind, screen.lang) if pair.check]
    if not asked:
        return None
    pair = rng.choice(asked)
    return _sample(screen, kind, [pair], {"answer": pair.answer, "template": screen.template, **pair.check})


def chosen(asked: Sequence[Pair], rng: random.Random, most: int) -> list[Pair]:
    """Up to `most` of the questions in a drawn order, main ones first of all."""
    main, rest = ([pair for pair in asked if pair.main is wanted] for wanted in (True, False))
    kept = main + rng.sample(rest, max(0, min(most - len(main), len(rest))))
    return rng.sample(kept, len(kept))


def conversation(screen: Screen, kind: str, asked: Sequence[Pair]) -> Sample:
    """Questions about one screen as one sample."""
    return _sample(screen, kind, asked, {})


def _sample(screen: Screen, kind: str, asked: Sequence[Pair], meta: Mapping[str, Any]) -> Sample:
    shown = Text(_told_lines(screen)) if kind == "told" else screen.image
    turns = []
    for number, pair in enumerate(asked):
        question = (Text(pair.question),) if number else (shown, Text(pair.question))
        turns += [Turn("user", question), Turn("assistant", (Text(pair.answer),))]
    return Sample(
        kind=f"screen/{kind}",
        lang=screen.lang,
        source=screen.source,
        licence=LICENCE,
        turns=tuple(turns),
        cells=() if kind == "told" else ({"words": list(screen.words), "letters": list(screen.letters)},),
        meta={"template": screen.template, "split": screen.split, "seed": screen.seed, **_boxes(asked), **meta},
    )


def _boxes(asked: Sequence[Pair]) -> dict[str, Any]:
    """The box at whose middle each answer points, where all of them point."""
    boxes = [list(pair.spot) for pair in asked if pair.spot]
    return {"boxes": boxes} if len(boxes) == len(asked) else {}


def _language(screen: Screen, rng: random.Random, kind: str) -> str:
    """Now and then a place is asked for in the other language."""
    other = "en" if screen.lang == "zh" else "zh"
    return other if kind == "ground" and rng.random() < 0.15 else screen.lang


def _pairs(screen: Screen, rng: random.Random, kind: str, lang: str) -> list[Pair]:
    return [pair for make in MAKERS[kind] for pair in make(screen, rng, lang)]


def place(screen: Screen, box: Box) -> str:
    """The centre of a pixel box as `(123,045)`."""
    return point_text(screen.thousandths(box))


def _check(screen: Screen, verifier: str, box: Box, held: bool, role: str) -> dict[str, Any]:
    return {"verifier": verifier, "box": list(screen.thousandths(box)), "held_word": held, "role": role}


def _say(rng: random.Random, frames: Mapping[str, Sequence[str]], lang: str, **words: object) -> str:
    return rng.choice(frames[lang]).format(**words)


def _role(role: str, lang: str) -> str:
    return phrases.ROLES[role][lang == "zh"]


def _held(screen: Screen, name: str) -> bool:
    return any(element.data["held_word"] for element in screen.elements if element.name == name)


def point(screen: Screen, element: Element, question: str, said: str, held: bool) -> Pair:
    """The answer says the name again: a line of a listing, so that what reading teaches serves pointing (ours)."""
    check = _check(screen, "point", element.box, held, element.role)
    answer = f"{said} {place(screen, element.spot)}"
    return Pair(question, answer, check, spot=screen.thousandths(element.spot))


def _named(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Where is "Save"?"""
    asked = []
    for element in screen.elements:
        if element.unique and element.role in ASKED:
            words = {"name": element.name, "role": _role(element.role, lang)}
            question = _say(rng, phrases.GROUND, lang, **words)
            asked.append(point(screen, element, question, element.name, element.data["held_word"]))
    return asked


def _related(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Where is the switch of "Wi-Fi"? What has a name is also called by it: others may stand beside it."""
    times = Counter((element.role, element.name, element.data.get("of")) for element in screen.elements)
    asked = []
    for element in screen.elements:
        of = element.data.get("of")
        if of and times[element.role, element.name, of] == 1:
            frames = phrases.GROUND_NAMED_OF if element.name else phrases.GROUND_OF
            question = _say(rng, frames, lang, of=of, name=element.name, role=_role(element.role, lang))
            asked.append(point(screen, element, question, of, _held(screen, of)))
    return asked


def _told_lines(screen: Screen) -> str:
    """The named elements with their places, a line each, as a GUI agent may get them beside or instead of a picture."""
    return "".join(f"{element.name} {place(screen, element.spot)}\n" for element in _tellable(screen))


def _tellable(screen: Screen) -> list[Element]:
    named = [element for element in screen.elements if element.unique and element.role in ASKED]
    return sorted(named, key=lambda element: (element.box[1], element.box[0]))[:MOST_LISTED]


def _told(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Both ways: a line of the list by its name, and a name by its place. Looking up in text is what a young decoder
    learns first, and pointing and reading are the same on a picture."""
    asked = []
    for element in _tellable(screen):
        line = f"{element.name} {place(screen, element.spot)}"
        words = {"name": element.name, "role": _role(element.role, lang)}
        asked.append(Pair(_say(rng, phrases.GROUND, lang, **words), line))
        asked.append(Pair(_say(rng, phrases.READ_AT, lang, point=place(screen, element.spot)), element.name))
    return asked


def _listed(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Where is the third item? Only where the items stand in one column and all can be seen."""
    items = sorted((e for e in screen.elements if e.role == "item"), key=lambda e: e.box[1])
    column = len({round(item.box[0]) for item in items}) == 1
    if len(items) < 3 or not column or "item" in screen.partial:
        return []
    at = rng.randrange(len(items))
    last = at == len(items) - 1 and rng.random() < 0.5
    question = _say(rng, phrases.GROUND_LAST if last else phrases.GROUND_NTH, lang, n=at + 1)
    return [point(screen, items[at], question, items[at].name, False)]


def _reading_order(lines: Sequence[Word]) -> list[Word]:
    """From top to bottom, and from left to right among lines of which one overlaps the other by half its height."""
    rows: list[list[Word]] = []
    for line in sorted(lines, key=lambda line: line[2] + line[4] / 2):
        middle = line[2] + line[4] / 2
        if rows and rows[-1][0][2] <= middle <= rows[-1][0][2] + rows[-1][0][4] * 0.75:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line[1])]


def _list_texts(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """All that is written, or half of it, only where nothing more can be read in part or dimmed."""
    return [
        Pair(_say(rng, frames, lang), _listing(screen, lines), main=True)
        for frames, lines, torn in _lists(screen)
        if 0 < len(lines) <= MOST_LISTED and not torn
    ]


def _lists(screen: Screen) -> list[tuple[Mapping[str, Sequence[str]], Sequence[Word], Sequence[Word]]]:
    """What may be listed: how it is asked for, its lines, and those of which only a part can be read."""
    if screen.over:
        return [(phrases.LIST_OVER, screen.lines, ())] if screen.over == "alone" else []
    if len(screen.lines) <= MOST_LISTED:
        return [(phrases.LIST, screen.lines, screen.torn)]
    return [
        (phrases.LIST_HALF[half], _half(screen, screen.lines, half), _half(screen, screen.torn, half))
        for half in ("upper", "lower")
    ]


def _half(screen: Screen, lines: Sequence[Word], half: str) -> list[Word]:
    middle = screen.image.height / 2
    return [line for line in lines if (line[2] + line[4] / 2 < middle) == (half == "upper")]


def _listing(screen: Screen, lines: Sequence[Word]) -> str:
    return "\n".join(f"{line[0]} {place(screen, line[1:])}" for line in _reading_order(lines))


def _read_at(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    asked = []
    for line in screen.lines:
        question = _say(rng, phrases.READ_AT, lang, point=place(screen, line[1:]))
        asked.append(Pair(question, line[0], _check(screen, "text", line[1:], _held(screen, line[0]), "text")))
    return asked


def _describe(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    kind = phrases.KINDS[screen.template] if lang == "zh" else screen.template
    names = [element.name for element in screen.elements if element.unique and element.role in ASKED][:4]
    words = {
        "tone": phrases.TONES[lang][screen.dark],
        "kind": kind,
        "names": "、".join(names) if lang == "zh" else ", ".join(names),
    }
    whole = Pair(_say(rng, phrases.DESCRIBE, lang), phrases.DESCRIPTION[lang].format(**words))
    return [Pair(_say(rng, phrases.KIND, lang), kind), *([whole] if names else [])]


def _widgets(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """What is at (123,045)? Only elements that hold no other are asked for."""
    asked = []
    for element in screen.elements:
        if element.unique and not any(
            within(other.box, element.box) for other in screen.elements if other is not element
        ):
            answer = phrases.WIDGET_ANSWER[lang].format(role=_role(element.role, lang), name=element.name)
            asked.append(Pair(_say(rng, phrases.WIDGET, lang, point=place(screen, element.box)), answer))
    return rng.sample(asked, min(4, len(asked)))


def _facts(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """What is the price of Tea? Only where the name and, if it is words, the value can be read."""
    read = screen.legible()
    facts = [element for element in screen.elements if element.data.get("field") in phrases.FACTS]
    times = Counter((element.data["field"], element.data["item"]) for element in facts)
    several = {item for item, count in Counter(element.data["item"] for element in facts).items() if count > 1}
    asked = []
    for element in facts:
        fact = element.data
        number, frames = isinstance(fact["value"], int), phrases.facts(fact["field"], fact["unit"], lang)
        named = fact["item"] in read or "{item}" not in frames[0]
        vague = times[fact["field"], fact["item"]] > 1 or (fact["field"] == "entry" and fact["item"] in several)
        if vague or not named or not (number or fact["value"] in read):
            continue
        held = element.data["held_word"] or _held(screen, fact["item"])
        check = _check(screen, "number" if number else "text", element.box, held, element.role)
        question = rng.choice(frames).format(item=fact["item"])
        asked.append(Pair(question, str(fact["value"]), check))
    return asked


def _states(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Is "Wi-Fi" on?"""
    asked, read = [], screen.legible()
    for element in screen.elements:
        fact = element.data
        if fact.get("field") == "state" and fact["item"] in read:
            frames = phrases.STATE if element.role == "switch" else phrases.CHOSEN
            answer = phrases.YES_NO[lang][fact["value"] == "off"]
            check = _check(screen, "text", element.box, _held(screen, fact["item"]), element.role)
            asked.append(Pair(_say(rng, frames, lang, item=fact["item"]), answer, check))
    return asked


def _counts(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """How many buttons are there? Only of roles that are wholly visible."""
    times = Counter(element.role for element in screen.elements)
    whole = (0, 0, screen.image.width, screen.image.height)
    asked = []
    for role, names in phrases.COUNTED.items():
        if times[role] and role not in screen.partial:
            question = _say(rng, phrases.COUNT, lang, role=names[lang == "zh"])
            asked.append(Pair(question, str(times[role]), _check(screen, "number", whole, False, role)))
    return asked


def _exists(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Is there a "Save"? One that can be read and one that is not there; a drawing shows no word."""
    read = screen.legible()
    names = [element.name for element in screen.elements if element.unique and element.name in read]
    absent = screen.missing(pool(screen.lang, "ui", False))
    whole = (0, 0, screen.image.width, screen.image.height)
    asked = []
    for name, answer in ((rng.choice(names) if names else None, 0), (rng.choice(absent), 1)):
        if name is not None:
            check = _check(screen, "text", whole, _held(screen, name), "text")
            asked.append(Pair(_say(rng, phrases.EXISTS, lang, name=name), phrases.YES_NO[lang][answer], check))
    return asked


Maker = Callable[[Screen, random.Random, str], list[Pair]]
MAKERS: Mapping[str, Sequence[Maker]] = {
    "ground": (_named, _related, _listed),
    "ocr": (_list_texts, _read_at),
    "told": (_told,),
    "page": (_read_at,),
    "describe": (_describe, _widgets),
    "qa": (_facts, _states, _counts, _exists),
}
"""What makes the questions of each kind."""
