"""Pocket's road at a size for two hours on two CPU cores (minutes on a GPU), where the figures get good.

It takes all that the data engine makes: long documents of every kind, pages of UI kits where their packages are here
(`lapis data screens count=1` fetches them; else our plain kit), questions as an SFT set without copies and in balance,
and for RL instructions whose constraints a program checks. Sets that other models helped to make come in by
`data.sources` and `data.sets.items` (docs/answers.md). Its mixture of text is searched with `lapis data mixture desk`.
"""

from __future__ import annotations

from dataclasses import replace

from lapis.config import RL, Entry, Eval, Export, Join, Long, Prune, Recipe, RunSets, Start, Train
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
LONG = {
    "long/needle": 0.5,
    "long/hop": 0.03,
    "long/order": 0.025,
    "long/count": 0.02,
    "long/screens": 0.015,
    "long/joined": 0.01,
}
"""Shares of the `long` stage in place of pocket's needles: these stay three fifths of its long tokens, since most of
them are short and the others are not."""
INSTRUCTIONS = 0.03
"""Share of RL's questions: about one group a step."""


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
            long=Long(hop=300, order=300, count=300, screens=150, joined=150),
            kit_pages=200,
            sets=RunSets(sft=True, instructions=300),
            minutes=10.0,
        ),
        stages=tuple(_mixed(_longer(entry)) for entry in base.stages),
        eval=Eval(samples=400, minutes=3.5),
        export=Export(),
    )


def smoke() -> Recipe:
    """Pocket's smoke run with desk's kinds of data."""
    base = pocket.smoke()
    few = Long(hop=6, order=6, count=6, screens=2, joined=2)
    data = replace(base.data, long=few, kit_pages=4, sets=RunSets(sft=True, instructions=16))
    return replace(base, name="desk", data=data, stages=tuple(map(_mixed, base.stages)))


def _longer(entry: Entry) -> Entry:
    if isinstance(entry, Prune | Join | Start):
        return entry
    steps = STEPS[entry.name]
    longer = replace(entry, steps=steps, minutes=entry.minutes * steps / entry.steps)
    return replace(longer, prompts=PROMPTS) if isinstance(longer, RL) else longer


def _mixed(entry: Entry) -> Entry:
    """With desk's kinds in the mixtures that have a place for them."""
    if isinstance(entry, Train) and "long" in entry.mixture:
        rest = {kind: share for kind, share in entry.mixture.items() if kind != "long"}
        return replace(entry, mixture={**LONG, **rest})
    if isinstance(entry, RL):
        return replace(entry, mixture={**entry.mixture, "instructions": INSTRUCTIONS})
    return entry
