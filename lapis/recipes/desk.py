"""Pocket's road at a size for two hours on two CPU cores (minutes on a GPU), where the figures get good."""

from __future__ import annotations

from dataclasses import replace

from lapis.config import RL, Eval, Export, Join, Prune, Recipe, Train
from lapis.recipes import pocket

LONGER = {
    "teacher": 2.0,
    "distil": 2.0,
    "distil-decay": 2.0,
    "scratch-low": 2.0,
    "scratch-mid": 2.0,
    "scratch-high": 2.0,
    "text-sft": 2.0,
    "vision": 3.0,
    "joint-a": 2.0,
    "joint-b": 4.5,
    "reason": 3.0,
    "long": 2.0,
    "sft": 3.0,
    "rl": 3.0,
}
"""Stage to how many times pocket's steps it takes."""


def recipe() -> Recipe:
    """The recipe behind `lapis run desk`."""
    base = pocket.recipe()
    return replace(
        base,
        name="desk",
        data=replace(
            base.data, screens=24000, pages=16000, questions=80000, held_screens=500, held_questions=500, minutes=10.0
        ),
        stages=tuple(_longer(entry) for entry in base.stages),
        eval=Eval(samples=500, minutes=4.0),
        export=Export(),
    )


def _longer(entry: Train | Prune | Join | RL) -> Train | Prune | Join | RL:
    if isinstance(entry, Prune | Join):
        return entry
    factor = LONGER[entry.name]
    return replace(entry, steps=round(entry.steps * factor), minutes=entry.minutes * factor)
