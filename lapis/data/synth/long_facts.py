"""Facts that belong together, hidden far apart in a long document: `long/hop`, `long/order` and `long/count`.

A chain of places is followed to its end, events are put in order, and one that is told again and again is counted.
Every document holds facts of the same form that lead astray. Places of held-out documents are those of needles.py that
training never names. The forms are ours; following chains is the variable tracking of RULER (arXiv 2404.06654).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lapis.data.synth.needles import COLOURS, FACTS, HELD_PLACES, LEAST, PLACES, TEMPLATE, Paragraph, fill, language
from lapis.data.synth.problem import bytes_of
from lapis.types import InputError, Sample, Text, Turn

HOPS = (2, 3)
"""Links of a chain, one drawn."""
EVENTS = (2, 3, 4, 6)
"""Events that are put in order, one drawn."""
TIMES = range(1, 10)
"""How often the counted event is told, one drawn."""
ASTRAY = (2, 4, 6)
"""Sentences about other places beside a counted event, one drawn."""
NAMES = {"en": "{colour} {place}", "zh": "{colour}色{place}"}
LEADS = {"en": "The {a} leads to the {b}.", "zh": "{a}通向{b}。"}
OPENED = {"en": "The {a} was opened.", "zh": "{a}被打开了。"}
OPENED_AT = {"en": "At {time} the {a} was opened.", "zh": "{time},{a}被打开了。"}
HOP = {
    "en": "Start at the {a} and go on to where it leads, {steps} times. What is the code of the place where you end?",
    "zh": "从{a}出发,顺着它通向的地方走{steps}次。最后到达的地方的密码是多少?",
}
EARLIER = {
    "en": "Which was opened earlier in the day, the {a} or the {b}?",
    "zh": "{a}和{b},哪个在当天更早被打开?",
}
BEFORE = {
    "en": "Which does the text say first was opened, the {a} or the {b}?",
    "zh": "文中先说到{a}和{b}中的哪个被打开了?",
}
OFTEN = {
    "en": "How many times does the text say that the {a} was opened?",
    "zh": "文中说{a}被打开了多少次?",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Facts in the order in which a document tells them, and what is asked of them."""

    facts: tuple[str, ...]
    names: tuple[str, ...]
    """What they are about; no other sentence of the document may name it."""
    question: str
    answer: str
    verifier: str
    template: str


def hop(rng: random.Random, lang: str, split: str) -> Asked:
    """Two chains of places, and the code of each place; the end of one chain is asked for by its beginning."""
    steps = rng.choice(HOPS)
    pairs = _pairs(rng, lang, split, 2 * (steps + 1))
    names = [NAMES[lang].format(colour=colour, place=place) for colour, place in pairs]
    codes = [str(code) for code in rng.sample(range(1000, 10000), len(names))]
    told = [
        FACTS[lang].format(colour=colour, place=place, code=code)
        for (colour, place), code in zip(pairs, codes, strict=True)
    ]
    chains = [names[: steps + 1], names[steps + 1 :]]
    told += [LEADS[lang].format(a=a, b=b) for chain in chains for a, b in zip(chain, chain[1:], strict=False)]
    rng.shuffle(told)
    asked = HOP[lang].format(a=names[0], steps=steps)
    return Asked(tuple(told), tuple(names), asked, codes[steps], "number", f"hop/{steps}")


def order(rng: random.Random, lang: str, split: str) -> Asked:
    """Events; which of two came first by the time that is told, or which one the text tells first."""
    names = _names(rng, lang, split, rng.choice(EVENTS))
    a, b = asked = rng.sample(names, 2)
    if rng.random() < 0.5:
        told = tuple(OPENED[lang].format(a=name) for name in names)
        first = min(asked, key=names.index)
        return Asked(told, tuple(names), BEFORE[lang].format(a=a, b=b), first, "text", "order/text")
    times = dict(zip(names, rng.sample(range(24 * 60), len(names)), strict=True))
    clocks = {name: f"{time // 60:02d}:{time % 60:02d}" for name, time in times.items()}
    told = tuple(OPENED_AT[lang].format(a=name, time=clocks[name]) for name in names)
    first = min(asked, key=times.__getitem__)
    return Asked(told, tuple(names), EARLIER[lang].format(a=a, b=b), first, "text", "order/time")


def count(rng: random.Random, lang: str, split: str) -> Asked:
    """One event told several times among others; how often is asked."""
    times = rng.choice(TIMES)
    name, *others = names = _names(rng, lang, split, 4)
    told = [name] * times + rng.choices(others, k=rng.choice(ASTRAY))
    rng.shuffle(told)
    facts = tuple(OPENED[lang].format(a=one) for one in told)
    return Asked(facts, tuple(names), OFTEN[lang].format(a=name), str(times), "number", "count")


MAKERS: dict[str, Callable[[random.Random, str, str], Asked]] = {
    "long/hop": hop,
    "long/order": order,
    "long/count": count,
}
"""How the facts of a kind are drawn, from (rng, language, split)."""


def generate(
    kind: str,
    many: int,
    seed: int,
    tokens: int,
    documents: Sequence[str],
    split: str = "train",
    length: Callable[[str], int] = bytes_of,
    licence: str = "LicenseRef-prose",
) -> Iterator[Sample]:
    """`many` samples of a kind, of about `tokens` tokens each, measured by `length`, a pure function of the arguments.

    `documents` are paragraphs of prose, in whose language is asked. meta has `answer`, `verifier`, `template`,
    `length`, which is `tokens`, and `facts`, how many are hidden. Raises InputError where no paragraph fits, or where
    the facts alone would be longer than a document.
    """
    paragraphs = [Paragraph(text.strip(), length(text), language(text)) for text in documents if text.strip()]
    fitting = [paragraph for paragraph in paragraphs if 2 * paragraph.tokens <= tokens]
    if not fitting:
        raise InputError(f"{kind}: no paragraph of at most {tokens // 2} tokens to hide facts among")
    rng = random.Random(f"{kind} {split} {seed} {tokens}")
    source = f"lapis.data.synth.long_facts {kind} {split} {seed}"
    for _ in range(many):
        first = rng.randrange(len(fitting))
        asked = MAKERS[kind](rng, fitting[first].lang, split)
        left = tokens - TEMPLATE - sum(length(text) + 1 for text in (*asked.facts, asked.question))
        if left < LEAST:
            raise InputError(f"{kind}: {tokens} tokens are too few for {len(asked.facts)} facts")
        prose = [text for text in fill(fitting, first, left) if not any(name in text for name in asked.names)]
        yield _sample(kind, asked, _spread(rng, prose, asked.facts), fitting[first].lang, (source, licence), tokens)


def _spread(rng: random.Random, parts: Sequence[str], facts: Sequence[str]) -> str:
    """Prose with facts at drawn places, in their order."""
    places = sorted(rng.randint(0, len(parts)) for _ in facts)
    told = iter(facts)
    lines: list[str] = []
    for at in range(len(parts) + 1):
        lines += [next(told) for _ in range(places.count(at))]
        lines += parts[at : at + 1]
    return "\n".join(lines)


def _sample(kind: str, asked: Asked, text: str, lang: str, origin: tuple[str, str], tokens: int) -> Sample:
    meta = {"answer": asked.answer, "verifier": asked.verifier, "template": asked.template}
    return Sample(
        kind=kind,
        lang=lang,
        source=origin[0],
        licence=origin[1],
        turns=(Turn("user", (Text(f"{text}\n{asked.question}"),)), Turn("assistant", (Text(asked.answer),))),
        meta={**meta, "length": tokens, "facts": len(asked.facts)},
    )


def _names(rng: random.Random, lang: str, split: str, many: int) -> list[str]:
    return [NAMES[lang].format(colour=colour, place=place) for colour, place in _pairs(rng, lang, split, many)]


def _pairs(rng: random.Random, lang: str, split: str, many: int) -> list[tuple[str, str]]:
    """Different (colour, place); none of training's places is a held-out one."""
    places = PLACES[lang][:-HELD_PLACES] if split == "train" else PLACES[lang][-HELD_PLACES:]
    return rng.sample([(colour, place) for colour in COLOURS[lang] for place in places], many)
