"""Languages, licences and lengths of a data stage's samples, by kind: from columns of names, and the shards' index"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lapis.data import store
from lapis.data.shards import read_index
from lapis.data_pages.counts import Place

Ints = npt.NDArray[np.int64]
BINS = 16
"""Bars of a histogram; each is twice as wide as the one before it."""


@dataclass(slots=True)
class Kind:
    """What the samples of a kind are."""

    samples: int = 0
    langs: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    tokens: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of each sample; empty without shards."""


def kinds(place: Place) -> dict[str, Kind]:
    """Every kind that training samples have, by name."""
    found: dict[str, Kind] = {}
    for path in place.samples():
        columns = (store.read_column(path, name) for name in ("kind", "lang", "licence"))
        for kind, lang, licence in zip(*columns, strict=True):
            entry = found.setdefault(kind, Kind())
            entry.samples += 1
            entry.langs[lang] += 1
            entry.licences[licence] += 1
    for kind, tokens in _tokens(place.data / "shards").items():
        found.setdefault(kind, Kind()).tokens = tokens
    return dict(sorted(found.items()))


def _tokens(shards: Path) -> dict[str, Ints]:
    if not (shards / "index.json").is_file():
        return {}
    names, kind, lengths = read_index(shards)
    return {name: lengths[kind == number] for number, name in enumerate(names)}


def histogram(tokens: Ints) -> Ints:
    """Samples of 1, 2-3, 4-7 ... tokens, int64 [BINS]; the last bar has all longer ones."""
    place = np.minimum(np.log2(np.maximum(tokens, 1)).astype(np.int64), BINS - 1)
    return np.bincount(place, minlength=BINS)
