"""The step of the data stage that makes long documents other than needles, as many as `data.long` says.

Held-out ones are made of held-out prose and screens, with places that training never names. A kind whose count is 0
has no file, so that nothing asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from lapis import config
from lapis.data import store
from lapis.data.gather import Stage, cut_short, limits
from lapis.data.mixture import match
from lapis.data.screens import render
from lapis.data.synth import long_facts, long_screens, topics
from lapis.model import anyres
from lapis.types import Image, Sample

LENGTHS = (0.9, 0.45, 0.225)
"""Lengths of documents as shares of a row; facts that belong together need room."""
TEXTS = 500
"""Documents of prose that facts are hidden among: enough to vary, few enough to measure all of them."""
JOINED = 4000
"""Most documents of prose whose neighbours are looked for."""
SCREENS = 3
"""Screens rendered for a conversation: some are left over, because a conversation keeps to one language."""
HELD = 10
"""One of so many is held out, beside those to learn from."""


def make_long(stage: Stage) -> dict[str, Any]:
    """Write `samples/long.parquet` and a held-out file of each kind that is wanted. Returns their counts."""
    wanted = stage.recipe.data.long
    facts = {"long/hop": wanted.hop, "long/order": wanted.order, "long/count": wanted.count}
    counts = {**facts, "long/screens": wanted.screens, "long/joined": wanted.joined}
    if not any(counts.values()):
        return {}
    made = {}
    for kind, many in counts.items():
        if many:
            held = _made(stage, kind, max(many // HELD, 1), "held")
            made[kind] = store.write_samples(stage.held / f"{kind.replace('/', '_')}.parquet", held)
    taught = chain.from_iterable(_made(stage, kind, many, "train") for kind, many in counts.items() if many)
    return {"taught": store.write_samples(stage.samples / "long.parquet", taught), "held": made}


def _made(stage: Stage, kind: str, many: int, split: str) -> Iterator[Sample]:
    if kind == "long/screens":
        return _screens(stage, many, split)
    prose = (stage.samples if split == "train" else stage.held) / "prose.parquet"
    return _joined(stage, prose, many) if kind == "long/joined" else _facts(stage, prose, kind, many, split)


def packs(recipe: config.Recipe, kind: str) -> list[config.Pack]:
    """How the stages that draw a kind pack, longest rows first; where none does, the stage with the longest rows."""
    stages = [entry for entry in recipe.stages if isinstance(entry, config.Train)]
    drawing = [entry.pack for entry in stages if match(kind, entry.mixture)]
    longest = max((entry.pack for entry in stages), key=lambda pack: pack.row_tokens, default=config.Pack())
    return sorted(drawing, key=lambda pack: pack.row_tokens, reverse=True) or [longest]


def lengths(recipe: config.Recipe, kind: str) -> list[int]:
    """Tokens of a kind's documents: of each length of row that they are drawn for, so that every stage has some."""
    return sorted({int(share * pack.row_tokens) for pack in packs(recipe, kind) for share in LENGTHS}, reverse=True)


def _facts(stage: Stage, prose: Path, kind: str, many: int, split: str) -> Iterator[Sample]:
    """Documents of each length, in equal numbers."""
    texts = store.read_column(prose, "text")[:TEXTS]
    lines = [line for text in texts for line in text.split("\n") if line]
    licences = "; ".join(sorted(set(store.read_column(prose, "licence"))))
    length = cache(stage.count())
    every = lengths(stage.recipe, kind)
    for number, tokens in enumerate(every):
        own = many * (number + 1) // len(every) - many * number // len(every)
        pieces = [piece for line in lines for piece in cut_short(line, tokens, length)]
        if own:
            yield from long_facts.generate(kind, own, stage.recipe.seed, tokens, pieces, split, length, licences)


def _joined(stage: Stage, prose: Path, many: int) -> Iterator[Sample]:
    documents: list[Sample] = []
    for group in range(store.groups(prose)):
        documents += store.read_group(prose, group)
        if len(documents) >= JOINED:
            break
    return topics.joined(documents[:JOINED], lengths(stage.recipe, "long/joined")[0], stage.count(), many)


def _screens(stage: Stage, many: int, split: str) -> Iterator[Sample]:
    """Conversations over screens behind those of every other step."""
    data, model = stage.recipe.data, stage.recipe.model
    start = data.screens + data.fresh if split == "train" else data.held_screens
    count = SCREENS * many + 4
    shown = render.render(
        count, stage.recipe.seed, "train" if split == "train" else "seen", data.workers, None, limits(data), start=start
    )
    most = min(pack.tiles for pack in packs(stage.recipe, "long/screens"))
    return long_screens.conversations(shown, stage.recipe.seed, split, _tiles(model), most, many)


def _tiles(model: config.Model) -> Callable[[Image], int]:
    return lambda image: anyres.tile_count(image.width, image.height, model.anyres, model.vit.tile)
