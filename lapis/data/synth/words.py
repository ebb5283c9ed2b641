"""A calculation told in words: sums with brackets, sums told step by step, and word problems, in both languages."""

from __future__ import annotations

import random
import re

from lapis.data.blend import blend, perhaps
from lapis.data.synth import frames_en, frames_zh
from lapis.data.synth.frames import Frames
from lapis.data.synth.program import Program, Term, bracketed

FRAMES: dict[tuple[str, str], Frames] = {
    ("en", "train"): frames_en.TRAIN,
    ("en", "held"): frames_en.HELD,
    ("zh", "train"): frames_zh.TRAIN,
    ("zh", "held"): frames_zh.HELD,
}
"""Bank by (language, split)."""
TELLING: dict[str, tuple[str, ...]] = {
    sign: (sign, *frames_en.TELLING[sign], *frames_zh.TELLING[sign]) for sign in "+-*/"
}
"""Words of both languages, and the sign itself, by the sign that they tell."""
STRANGE = 0.25
"""Share of a training bank's sentences with a made-up word in them."""
SPACED = 0.3
"""Share of a training bank's formulas with spaces around their signs."""
SLOT = re.compile(r"\{[abefnops]\}")
"""What such a word may stand before."""


def expression(program: Program) -> str:
    """The program as one formula, with brackets only where the order of reading needs them: `(37+48)*2-29*3`."""
    text, loose = str(program.start), program.start.sign in ("+", "-")
    for change in program.changes:
        if change.sign in "*/" and loose:
            text = f"({text})"
        text += change.sign + bracketed(change.term)
        loose = change.sign in "+-"
    return text


def asked_sum(program: Program, frames: Frames, rng: random.Random) -> str:
    """`What is (37+48)*2?`"""
    asked, shown = rng.choice(frames.sums), expression(program)
    if frames.blended and rng.random() < SPACED:
        shown = re.sub(r"([-+*/])", r" \1 ", shown)
    return say(asked, frames, rng, e=shown)


def spoken_sum(program: Program, frames: Frames, rng: random.Random) -> str:
    """`Start with 37. Add 48. What do you get?` for a program whose terms are plain numbers."""
    said = [say(rng.choice(frames.spoken["start"]), frames, rng, n=program.start.first)]
    for change in program.changes:
        number = change.term.first
        said.append(say(rng.choice(frames.spoken[change.sign]), frames, rng, n=number, k=number))
    return frames.joint.join([*said, rng.choice(frames.spoken["ask"])])


def word_problem(program: Program, frames: Frames, rng: random.Random) -> str:
    """A little story with one sentence a change, and a question at its end."""
    (_, pronoun, them), *_ = people = rng.sample(frames.people, 3)
    names, things = [name for name, _, _ in people], [thing for thing, _ in frames.things]
    name, *others = (perhaps(one, names, frames.blended, rng) for one in names)
    thing, classifier = rng.choice(frames.things)
    known = {"s": name, "p": pronoun, "h": them, "o": perhaps(thing, things, frames.blended, rng), "c": classifier}
    opening = rng.choice(frames.openings[program.start.sign])
    said = [_capital(say(opening, frames, rng, **known, **_numbers(program.start)))]
    link = ""
    for change in program.changes:
        words = rng.choice(frames.changes[change.sign + change.term.sign])
        sentence = say(words, frames, rng, **known, f=rng.choice(others), **_numbers(change.term))
        link = rng.choice([other for other in frames.links if other != link or not other])
        said.append(_capital(link + sentence))
    return frames.joint.join([*said, rng.choice(frames.questions).format(**known)])


def say(template: str, frames: Frames, rng: random.Random, **known: object) -> str:
    """A sentence of a bank, filled in. A training bank makes up what `{l}` is, and now and then puts such a word where
    none belongs, so that a sentence of words that were never read is still read by its numbers and names."""
    slots = [slot.start() for slot in SLOT.finditer(template)]
    if frames.blended and slots and rng.random() < STRANGE:
        at = rng.choice(slots)
        template = f"{template[:at]}{{l}}{frames.joint}{template[at:]}"
    return filled(template, frames, rng, **known)


def filled(template: str, frames: Frames, rng: random.Random, **known: object) -> str:
    """A sentence with its braces filled in; each has a made-up word of its own where the bank makes up any."""
    if not frames.blended:
        return template.format(**known)
    things = [thing for thing, _ in frames.things]
    return template.format(**known, l=blend(rng.choice(things), rng.choice(things), rng))


def _numbers(term: Term) -> dict[str, int]:
    """What a template may show of a term: `n` its first number, `m` or `k` its second, `k` alone for a plain factor."""
    return {"n": term.first, "m": term.second, "k": term.second or term.first}


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
