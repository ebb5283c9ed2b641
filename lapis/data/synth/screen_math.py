"""Questions about the numbers that a screen shows, with exact answers: kind `screen/math`, and lists of them.

A thought first says where it finds what it needs, and reads the number there (`Tea (500,120)12,Milk (500,181)37`): the
place is that of the item, as when it is asked for, and its row is the number's (ours). Then it works as all thoughts do
(lapis/data/synth/program.py). Screens that training has not seen are asked in sentences that it has not read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from lapis.data.screens.page import Screen
from lapis.data.synth import program, screen_frames
from lapis.data.synth.problem import Box, Count, Problem, bytes_of, sample
from lapis.data.synth.screen_frames import COUNTS, LIST
from lapis.types import Sample, Text, Turn
from lapis.verify import point_text

Quantity = tuple[str, int, Box | None]
"""(item, value, the item's box if there is a picture)."""
Say = Callable[..., str]
"""`screen_frames.say` of a kind of question, with the names in it."""

MOST_LISTED = 8
"""Most items that a thought copies from a screen."""
MOST_TOLD = 3
"""Most questions about one screen's numbers told as text."""
MOST_ADDED = 5
"""Most items of a total."""
HIGHEST = 999
"""Largest sum asked for."""


def questions(
    screen: Screen, rng: random.Random, split: str | None = None, most: int = 3, tokens: Count = bytes_of
) -> list[Sample]:
    """Up to `most` questions of different kinds about one screen; none where it shows no two comparable numbers.

    `split` train or held picks the sentences (None: held for every screen that is not of the training split). Training
    draws thinking and direct samples, held-out ones all think.
    """
    split = split or ("train" if screen.split == "train" else "held")
    think = True if split == "held" else None
    items = _shown(screen)
    problems = _problems(screen, items, rng, split)[:most]
    made = [sample(one, "screen/math", screen.source, rng, tokens, think, (screen.image,)) for one in problems]
    return [replace(one, meta={**one.meta, "values": screen.value_boxes()}) for one in made]


def told(screen: Screen, rng: random.Random, tokens: Count = bytes_of) -> list[Sample]:
    """Up to three training questions (`math/told`) about the same numbers told as text: the same work without eyes."""
    items = [(name, value, None) for name, value, _ in screen.quantities()]
    lines = Text("".join(f"{name} {value}\n" for name, value, _ in items))
    problems = _problems(screen, items, rng, "train")[:MOST_TOLD]
    return [sample(one, "math/told", screen.source, rng, tokens, None, (lines,)) for one in problems]


def listed(screen: Screen, rng: random.Random) -> list[Sample]:
    """One training conversation (`screen/list`), or none: every number of the screen beside its item, with the place,
    as thoughts begin. Reading many numbers of a picture costs little more than reading two."""
    items = _shown(screen)
    if not 0 < len(items) <= MOST_LISTED or screen.mixed():
        return []
    asked = Turn("user", (screen.image, Text(rng.choice(LIST[screen.lang]))))
    said = Turn("assistant", (Text(_listed(items)),))
    meta = {"template": "screen/list", "boxes": _boxes(items), "values": screen.value_boxes()}
    return [Sample("screen/list", screen.lang, screen.source, "CC0-1.0", (asked, said), meta=meta)]


def _shown(screen: Screen) -> list[Quantity]:
    boxes = screen.item_boxes()
    return [(name, value, boxes[name]) for name, value, _ in screen.quantities()]


def _problems(screen: Screen, items: Sequence[Quantity], rng: random.Random, split: str) -> list[Problem]:
    """One question of each kind that fits the items, in a drawn order."""
    say = partial(screen_frames.say, screen.lang, split, screen.quantity())
    fitting = NAMED if screen.mixed() else MAKERS
    items = _clear(screen, items) if screen.mixed() else items
    makers = rng.sample(fitting, len(fitting)) if len(items) > 1 else []
    return [problem for maker in makers if (problem := maker(screen.lang, say, items, rng))]


def _clear(screen: Screen, items: Sequence[Quantity]) -> list[Quantity]:
    """Those items of a picture that show no other digits beside their number."""
    clear = screen.clear()
    return [item for item in items if item[2] is None or item[0] in clear]


def _read(lang: str, say: Say, items: Sequence[Quantity], rng: random.Random) -> Problem | None:
    item = rng.choice(items)
    asked, value = say("read", rng, a=item[0]), str(item[1])
    return Problem(asked, value, "number", _listed([item]), value, 1, "screen/read", lang, _boxes([item]))


def _sum(lang: str, say: Say, items: Sequence[Quantity], rng: random.Random) -> Problem | None:
    chosen = rng.sample(list(items), min(rng.choice((2, 2, 3)), len(items)))
    names = dict(zip("abc", (name for name, _, _ in chosen), strict=False))
    asked = say("two" if len(chosen) == 2 else "three", rng, **names)
    return _added(asked, chosen, chosen, f"screen/sum{len(chosen)}", lang)


def _more(lang: str, say: Say, items: Sequence[Quantity], rng: random.Random) -> Problem | None:
    large, small = sorted(rng.sample(list(items), 2), key=lambda item: -item[1])
    if large[1] == small[1]:
        return None
    asked = say("more", rng, a=large[0], b=small[0])
    done = program.Program(program.Term(large[1]), (program.Change("-", program.Term(small[1])),))
    return _worked(asked, [large, small], done, "screen/more", lang)


def _all(lang: str, say: Say, items: Sequence[Quantity], rng: random.Random) -> Problem | None:
    if len(items) > MOST_ADDED:
        return None
    return _added(say("all", rng), items, items, "screen/all", lang)


def _extreme(lang: str, say: Say, items: Sequence[Quantity], rng: random.Random) -> Problem | None:
    """Which item is lowest or highest; asked only where one alone is."""
    which, pick = rng.choice((("least", min), ("most", max)))
    values = [value for _, value, _ in items]
    best = pick(values)
    if len(items) > MOST_LISTED or values.count(best) > 1:
        return None
    name = items[values.index(best)][0]
    asked = say(which, rng)
    word = pick.__name__
    full, terse = f"{_listed(items)}\n{word} {best}", f"{word} {best}"
    return Problem(asked, name, "text", full, terse, 1, f"screen/{word}", lang, _boxes(items))


def _few(lang: str, say: Say, items: Sequence[Quantity], rng: random.Random) -> Problem | None:
    """The sum of the two or three lowest or highest."""
    count, high = rng.choice((2, 3)), rng.random() < 0.5
    if not count < len(items) <= MOST_LISTED:
        return None
    chosen = sorted(items, key=lambda item: item[1], reverse=high)[:count]
    asked = say("highest" if high else "lowest", rng, k=COUNTS[lang][count])
    return _added(asked, items, chosen, f"screen/{'highest' if high else 'lowest'}", lang)


def _added(
    asked: str, listed: Sequence[Quantity], chosen: Sequence[Quantity], template: str, lang: str
) -> Problem | None:
    values = [value for _, value, _ in chosen]
    if sum(values) > HIGHEST:
        return None
    start, *rest = map(program.Term, values)
    done = program.Program(start, tuple(program.Change("+", term) for term in rest))
    return _worked(asked, listed, done, template, lang)


def _worked(asked: str, listed: Sequence[Quantity], done: program.Program, template: str, lang: str) -> Problem:
    full, terse = f"{_listed(listed)}\n{program.full(done)}", program.terse(done)
    steps = len(done.operations)
    return Problem(asked, str(done.answer), "number", full, terse, steps, template, lang, _boxes(listed))


def _listed(items: Sequence[Quantity]) -> str:
    return ",".join(f"{name} {point_text(box) if box else ''}{value}" for name, value, box in items)


def _boxes(items: Sequence[Quantity]) -> tuple[Box, ...]:
    return tuple(box for _, _, box in items if box is not None)


Maker = Callable[[str, Say, Sequence[Quantity], random.Random], Problem | None]
NAMED: tuple[Maker, ...] = (_read, _sum, _more)
"""Questions that name the items they are about."""
MAKERS: tuple[Maker, ...] = (*NAMED, _all, _extreme, _few)
"""Every kind of question; each gives None where the screen does not fit it."""
