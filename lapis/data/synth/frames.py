"""The form of a bank of sentences: what a word problem can say, by what happens to the running value.

In the templates `{s}` is the one whose things are counted, `{p}` and `{h}` its pronouns (she, her), `{f}` another
person, `{o}` the things, `{c}` their Chinese classifier, `{n}` and `{m}` numbers, `{k}` a small count. Plain gains and
losses are built from patterns, verbs and places, so that training reads very many sentences. A verb always stands
before its number, and a count before what it counts, so that a story can be read once from left to right. Held-out
banks share no pattern, place, name or thing with the training banks; their verbs are the training banks' verbs.
Training banks also make up names, things and places (`{l}`) from their own words, so that no word has to be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frames:
    """One language's sentences of one split. Keys of `changes` are the outer sign and the sign inside the term."""

    people: tuple[tuple[str, str, str], ...]
    """(name, pronoun, object pronoun)."""
    things: tuple[tuple[str, str], ...]
    """(plural or bare name, classifier or empty)."""
    openings: dict[str, tuple[str, ...]]
    """First sentence, by the sign inside the start term."""
    changes: dict[str, tuple[str, ...]]
    questions: tuple[str, ...]
    links: tuple[str, ...]
    """What may stand before a change, the empty string among them."""
    joint: str
    """Between two sentences."""
    sums: tuple[str, ...]
    """Askings for the value of a written expression `{e}`."""
    spoken: dict[str, tuple[str, ...]]
    """The words of a calculation told in words: `start`, the signs, and `ask`."""
    blended: float = 0.0
    """Share of names and things that are made up of two of them (blend.py)."""


def sentences(
    patterns: Sequence[str], verbs: Sequence[str], places: Sequence[str], fixed: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Every pattern with every verb (`V`) and place or manner (`L`) in it, and `fixed` as often as one pattern."""
    made = [
        pattern.replace("V", verb).replace("L", place) for pattern in patterns for verb in verbs for place in places
    ]
    share = len(verbs) * len(places) // max(len(fixed), 1)
    return (*made, *fixed * share)
