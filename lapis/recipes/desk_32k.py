"""Desk with a further stage that lengthens its context from 4K to 32K tokens, the same 8 times once more (design:
stepwise), and finds facts in documents of nearly that length. It takes about half an hour longer."""

from __future__ import annotations

from dataclasses import replace

from lapis.config import Entry, Pack, Recipe, Train, Yarn
from lapis.recipes import desk

ROW = 32768
"""Tokens of a row."""
NEEDLES = 6000
"""Documents with a hidden fact, most of them short: about 24 of nearly a row, and twice as many of half of it."""
STEPS = 80
"""Rows to learn from; about every fifth holds a document of nearly its length."""


def recipe() -> Recipe:
    """The recipe behind `lapis run desk_32k`."""
    base = desk.recipe()
    stages: list[Entry] = []
    for entry in base.stages:
        if isinstance(entry, Train) and entry.parent == "long":
            stages.append(replace(entry, parent="long-32k"))
        else:
            stages.append(entry)
        if isinstance(entry, Train) and entry.name == "long":
            stages.append(_longer(entry))
    data = replace(base.data, needles=NEEDLES)
    return replace(base, name="desk_32k", data=data, stages=tuple(stages))


def _longer(long: Train) -> Train:
    """Its rows hold one document and what fits beside it."""
    assert long.yarn is not None
    yarn = Yarn(ROW / long.yarn.original, long.yarn.original, beta_fast=long.yarn.beta_fast)
    pack = Pack(row_tokens=ROW, rows=1, tiles=long.pack.tiles)
    flat = replace(long.optim, start=long.optim.end)
    return replace(long, name="long-32k", parent="long", steps=STEPS, pack=pack, yarn=yarn, optim=flat, minutes=10.0)
