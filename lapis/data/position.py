"""How far into the data a stage is: passes over each entry of its mixture, counted from the plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lapis.data.mixture import match
from lapis.data.pack import Pieces, Plan


class Position:
    """Passes by step. Only new steps are counted; a step before the last one asked begins anew."""

    def __init__(self, pieces: Pieces, kinds: tuple[str, ...], plan: Plan, mixture: Mapping[str, float]):
        self.pieces, self.plan = pieces, plan
        entries = [match(kind, mixture) for kind in kinds]
        sizes = np.bincount(pieces.kind, minlength=len(kinds))
        self.members = {name: np.array([entry == name for entry in entries]) for name in mixture}
        self.sizes = {name: int(sizes[of].sum()) for name, of in self.members.items()}
        self.step, self.counts = 0, np.zeros(len(kinds), dtype=np.int64)

    def after(self, step: int) -> dict[str, float]:
        """Passes of all ranks together after so many steps, by mixture entry; entries without samples are left out."""
        if step < self.step:
            self.step, self.counts = 0, np.zeros_like(self.counts)
        first, last = (self.plan.starts[at * self.plan.rows] for at in (self.step, step))
        fresh = self.pieces.kind[self.plan.pieces[first:last]]
        self.counts = self.counts + np.bincount(fresh, minlength=len(self.counts))
        self.step = step
        return {
            name: round(int(self.counts[of].sum()) / self.sizes[name], 4)
            for name, of in self.members.items()
            if self.sizes[name]
        }
