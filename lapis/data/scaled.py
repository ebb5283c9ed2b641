"""Progress of one step, told to the whole in its own units"""

from __future__ import annotations

from dataclasses import dataclass

from lapis.types import Progress


@dataclass(slots=True)
class Scaled:
    """A step's progress: `count` advances of it make `units` of the whole."""

    whole: Progress
    units: int
    count: int
    done: int = 0
    told: int = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        """So many more; a note is told even where no unit is full."""
        self.done += steps
        due = min(self.units * self.done // max(self.count, 1), self.units)
        if due > self.told or note:
            self.whole.advance(due - self.told, note)
            self.told = due

    def finish(self) -> None:
        """The step is done, however far it was told to be."""
        self.whole.advance(self.units - self.told)
        self.told = self.units
