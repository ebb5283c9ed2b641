"""Copies among instructions, whatever was answered to them: exact ones, and near ones by MinHash (data/dedup.py).

An instruction may stand once in each mode: at once, thinking freely, and at each budget. Near copies are looked for
among instructions without pictures, since two screens are asked the same in the same words, and only those with the
same numbers count: another number makes another problem.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from lapis.data import dedup, store
from lapis.types import Sample

DIGITS = re.compile(r"\d+")


def instruction(sample: Sample) -> str:
    """What is asked, without any answer."""
    return "\n".join(turn.text for turn in sample.turns if turn.role != "assistant")


def copies(samples: Sequence[Sample], near: bool) -> dict[int, tuple[str, int]]:
    """Place of each copy to why it is one and the place of what stays: the sample with the smallest id.

    `near` looks for near copies too; an instruction that goes so goes in all its modes.
    """
    keys = [store.key(sample) for sample in samples]
    ids = [sample.fingerprint for sample in samples]
    first: dict[tuple[str, bool, int | None], int] = {}
    found: dict[int, tuple[str, int]] = {}
    for place in sorted(range(len(samples)), key=lambda at: ids[at]):
        mode = (keys[place], samples[place].think, samples[place].budget)
        if mode in first:
            found[place] = ("exact copy", first[mode])
        else:
            first[mode] = place
    if near:
        found |= _near(samples, keys, [place for place in range(len(samples)) if place not in found])
    return found


def _near(samples: Sequence[Sample], keys: Sequence[str], places: Sequence[int]) -> dict[int, tuple[str, int]]:
    texts = {keys[at]: instruction(samples[at]) for at in places if not samples[at].images}
    if not texts:
        return {}
    roots = dedup.near(pa.table({"id": list(texts), "text": list(texts.values())}))
    stays: dict[tuple[str, tuple[str, ...]], str] = {}
    for key in sorted(texts):
        stays.setdefault((roots.get(key, key), _numbers(texts[key])), key)
    places_of = {keys[at]: at for at in reversed(places)}
    found = {}
    for at in places:
        key = keys[at]
        if key in texts and (kept := stays[roots.get(key, key), _numbers(texts[key])]) != key:
            found[at] = ("near copy", places_of[kept])
    return found


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(sorted(DIGITS.findall(text)))
