"""Which weights of a stage's mixture are looked for: those of entries whose kinds are text alone; the others stay"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapis.data.mixing import draw
from lapis.data.mixture import match
from lapis.data.pack import Pieces
from lapis.types import InputError

LEAST = 2
"""Kinds between which weights can be found."""


@dataclass(frozen=True, slots=True)
class Free:
    """The kinds of a stage whose weights are found, and what stays of its mixture."""

    kinds: tuple[str, ...]
    tokens: dict[str, int]
    """Of each kind, all that is there to train on."""
    mean: dict[str, float]
    """Tokens of a piece of each kind: what one draw of it brings."""
    kept: dict[str, float]
    """Entries with pictures, or without samples, with their weights."""
    share: float
    """Sum of the weights of the entries that are found anew."""

    @property
    def sizes(self) -> list[float]:
        return [float(self.tokens[kind]) for kind in self.kinds]

    def weights(self, shares: Sequence[float]) -> dict[str, float]:
        """A mixture for a proxy, which has these kinds alone, from shares of tokens [J]."""
        return draw.weights(dict(zip(self.kinds, shares, strict=True)), self.mean)

    def mixture(self, shares: Sequence[float]) -> dict[str, float]:
        """The stage's whole mixture: what is found takes the weight that its entries had together."""
        found = {kind: round(self.share * weight, 6) for kind, weight in self.weights(shares).items()}
        return {**self.kept, **{kind: weight for kind, weight in found.items() if weight}}


def free(mixture: Mapping[str, float], pieces: Pieces, kinds: Sequence[str], name: str) -> Free:
    """What is free in a mixture over the pieces that there are. Raises InputError where it is fewer than two kinds."""
    number = np.arange(len(kinds))
    count = np.bincount(pieces.kind, minlength=len(kinds))
    tokens = np.bincount(pieces.kind, pieces.length, minlength=len(kinds)).astype(np.int64)
    tiles = np.bincount(pieces.kind, pieces.tiles, minlength=len(kinds))
    owner = [match(kind, mixture) for kind in kinds]
    seen: dict[str, npt.NDArray[np.int64]] = {
        entry: np.array([one for one in number if owner[one] == entry and count[one]], np.int64) for entry in mixture
    }
    open_ = [entry for entry, own in seen.items() if len(own) and not tiles[own].any()]
    found = sorted(int(one) for entry in open_ for one in seen[entry])
    if len(found) < LEAST:
        there = ", ".join(kinds[one] for one in found) or "none"
        raise InputError(f"stages.{name}.mixture: expected two kinds of text or more to weigh, found {there}")
    return Free(
        tuple(kinds[one] for one in found),
        {kinds[one]: int(tokens[one]) for one in found},
        {kinds[one]: float(tokens[one] / count[one]) for one in found},
        {entry: weight for entry, weight in mixture.items() if entry not in open_},
        sum(mixture[entry] for entry in open_),
    )
