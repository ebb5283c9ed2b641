"""Samples of a labelled screen of a kit: every task of screens/tasks.py and synth, in both languages, and more

Beside what is asked of any screen: things of one name by their number in reading order, things that are not there
(with one agreed answer), and how many shown numbers lie above one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from lapis.data.screens import phrases, tasks
from lapis.data.screens.kits.shots import Shot
from lapis.data.screens.page import Screen
from lapis.data.screens.tasks import Pair
from lapis.data.screens.words import pool
from lapis.data.synth import screen_act, screen_math
from lapis.types import Sample

MOST_NUMBERED, MOST_ABSENT = 3, 2
"""Most questions of each kind in a conversation."""


def samples(shot: Shot, seed: int) -> Iterator[Sample]:
    """All samples of a screen, drawn by its own number; source, licence and how it was drawn travel with each."""
    screen = shot.screen
    rng = random.Random(f"kits {seed} {screen.split} {screen.index}")
    for sample in _made(screen, rng):
        meta = {**sample.meta, "split": screen.split, "drawn": shot.meta}
        yield replace(sample, source=shot.source, licence=shot.licence, meta=meta)


def _made(screen: Screen, rng: random.Random) -> Iterator[Sample]:
    for lang in ("en", "zh"):
        yield from _conversation(screen, rng, "ground", lang, (*tasks.MAKERS["ground"], numbered, absent))
    yield from tasks.samples(screen, rng, ("ocr", "describe", "told"))
    yield from _conversation(screen, rng, "qa", screen.lang, (*tasks.MAKERS["qa"], above))
    yield from screen_math.questions(screen, rng)
    yield from screen_math.told(screen, rng)
    yield from screen_math.listed(screen, rng)
    yield from screen_act.conversation(screen, rng)


def _conversation(
    screen: Screen, rng: random.Random, kind: str, lang: str, makers: Sequence[tasks.Maker]
) -> list[Sample]:
    asked = [pair for make in makers for pair in make(screen, rng, lang)]
    if not asked:
        return []
    kept = tasks.chosen(asked, rng, tasks.MOST_PAIRS[kind])
    made = tasks.conversation(screen, kind, kept)
    return [replace(made, lang=lang, meta={**made.meta, "wholes": [pair.check.get("box") for pair in kept]})]


def numbered(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """Where is the second "Buy"? In reading order, where all of them are seen."""
    found = [one for one in screen.elements if "nth" in one.data and one.role in tasks.ASKED]
    asked = []
    for one in rng.sample(found, min(MOST_NUMBERED, len(found))):
        number = one.data["nth"]
        words = {
            "n": phrases.ORDINALS[lang][number - 1],
            "name": one.name,
            "role": phrases.ROLES[one.role][lang == "zh"],
        }
        question = rng.choice(phrases.GROUND_NUMBERED[lang]).format(**words)
        asked.append(tasks.point(screen, one, question, one.name, one.data["held_word"]))
    return asked


def absent(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """A place is asked for that is not there; the answer says so."""
    missing = screen.missing(pool(screen.lang, "ui", False))
    asked = []
    for name in rng.sample(missing, min(rng.randrange(MOST_ABSENT + 1), len(missing))):
        words = {"name": name, "role": phrases.ROLES["button"][lang == "zh"]}
        answer = phrases.ABSENT[lang]
        check = {"verifier": "text", "box": [0, 0, 1000, 1000], "held_word": False, "role": "button"}
        asked.append(Pair(rng.choice(phrases.GROUND[lang]).format(**words), answer, check))
    return asked


def above(screen: Screen, rng: random.Random, lang: str) -> list[Pair]:
    """How many of the shown numbers of one kind lie above one of them?"""
    items = screen.quantities()
    if len(items) < 3 or screen.mixed():
        return []
    _, value, unit = rng.choice(items)
    count = sum(other > value for _, other, _ in items)
    check: dict[str, Any] = {"verifier": "number", "box": [0, 0, 1000, 1000], "held_word": False, "role": "value"}
    question = rng.choice(phrases.ABOVE[lang]).format(
        value=f"{unit}{value}" if unit in ("$", "¥") else f"{value}{unit}"
    )
    return [Pair(question, str(count), check)]
