"""Pocket's road at a size for two hours on two CPU cores (minutes on a GPU), where the figures get good."""

from __future__ import annotations

from dataclasses import replace

from lapis.config import RL, Eval, Export, Join, Prune, Recipe, Train
from lapis.recipes import pocket

STEPS = {
    "teacher": 320,
    "distil": 120,
    "distil-decay": 40,
    "scratch-low": 160,
    "scratch-mid": 160,
    "scratch-high": 160,
    "text-sft": 1200,
    "vision": 3600,
    "joint-a": 30,
    "joint-b": 4100,
    "reason": 600,
    "long": 80,
    "sft": 1700,
    "rl": 60,
}
"""Of each stage: most go to what a small model learns last, reading screens, pointing and thinking straight."""


def recipe() -> Recipe:
    """The recipe behind `lapis run desk`."""
    base = pocket.recipe()
    return replace(
        base,
        name="desk",
        data=replace(
            base.data, screens=18000, pages=12000, questions=90000, held_screens=500, held_questions=500, minutes=9.0
        ),
        stages=tuple(_longer(entry) for entry in base.stages),
        eval=Eval(samples=500, minutes=4.0),
        export=Export(),
    )


def _longer(entry: Train | Prune | Join | RL) -> Train | Prune | Join | RL:
    if isinstance(entry, Prune | Join):
        return entry
    steps = STEPS[entry.name]
    return replace(entry, steps=steps, minutes=entry.minutes * steps / entry.steps)
