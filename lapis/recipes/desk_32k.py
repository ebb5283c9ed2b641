"""Desk with a further stage that lengthens its context from 4K to 32K tokens, the same 8 times once more (design:
stepwise), and finds facts in documents of nearly that length. It takes about a quarter of an hour longer."""

from __future__ import annotations

from dataclasses import replace

from lapis.config import Entry, Pack, Recipe, Train, Yarn
from lapis.recipes import desk

ROW = 32768
"""Tokens of a row."""


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
    return replace(base, name="desk_32k", stages=tuple(stages))


def _longer(long: Train) -> Train:
    """Its rows hold one document and what fits beside it."""
    assert long.yarn is not None
    yarn = Yarn(ROW / long.yarn.original, long.yarn.original, beta_fast=long.yarn.beta_fast)
    pack = Pack(row_tokens=ROW, rows=1, tiles=long.pack.tiles)
    flat = replace(long.optim, start=long.optim.end)
    return replace(long, name="long-32k", parent="long", steps=40, pack=pack, yarn=yarn, optim=flat, minutes=8.0)
