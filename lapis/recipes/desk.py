"""Pocket's road at a size for two hours on two CPU cores (minutes on a GPU), where the figures get good."""

from __future__ import annotations

from dataclasses import replace

from lapis.config import RL, Entry, Eval, Export, Join, Prune, Recipe, Start
from lapis.recipes import pocket

STEPS = {
    "teacher": 300,
    "distil": 120,
    "distil-decay": 40,
    "scratch-low": 160,
    "scratch-mid": 160,
    "scratch-high": 160,
    "text-sft": 1400,
    "vision": 5000,
    "joint-a": 30,
    "joint-b": 4800,
    "reason": 600,
    "long": 600,
    "sft": 1800,
    "rl": 60,
}
"""Of each stage: most go to what a small model learns last, reading screens, pointing and thinking straight."""
PROMPTS = 32
"""Groups of an RL step: more than in pocket, so that a step follows what they have in common."""


def recipe() -> Recipe:
    """The recipe behind `lapis run desk`."""
    base = pocket.recipe()
    return replace(
        base,
        name="desk",
        data=replace(
            base.data,
            screens=16000,
            pages=10000,
            questions=80000,
            fresh=2500,
            held_screens=400,
            held_questions=400,
            minutes=8.5,
        ),
        stages=tuple(_longer(entry) for entry in base.stages),
        eval=Eval(samples=400, minutes=3.5),
        export=Export(),
    )


def _longer(entry: Entry) -> Entry:
    if isinstance(entry, Prune | Join | Start):
        return entry
    steps = STEPS[entry.name]
    longer = replace(entry, steps=steps, minutes=entry.minutes * steps / entry.steps)
    return replace(longer, prompts=PROMPTS) if isinstance(longer, RL) else longer
