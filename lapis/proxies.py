"""Proxy runs of a mixture search: the recipe's decoder made smaller, trained on its text by the trainer as it is.

A proxy run keeps nothing but its held-out losses. Kinds that have samples in the run's held-out files are measured on
those; of the others some of the training samples are withheld.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lapis import chat, config
from lapis.data import pack as packing
from lapis.data import store
from lapis.data.loader import TileShape, assemble, batches_of
from lapis.data.mixing.free import Free, free
from lapis.data.mixing.search import Losses, Try
from lapis.data.shards import Shards, fingerprint
from lapis.data.tokenise import Cutter, Example, example
from lapis.data_config.mixing import Mixing
from lapis.dist import guard
from lapis.model import init
from lapis.model.decoder import Decoder
from lapis.model.spell import spell
from lapis.train import heldout, loop, step
from lapis.train.step import Trainer
from lapis.types import Batch, InputError, Progress, Sample

HALVES = ("fit", "check")
"""Names of the two halves of what is held out: for the regression, and for the check."""
WITHHELD = 0.1
"""Most of a kind's training samples that are withheld where no file holds any out."""
WITHHELD_SEED = 7
END = 0.1
"""Schedule factor at the last step."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Batches of text by a plan: what the trainer's loop takes (lapis.train.loop.Batches)."""

    plan: packing.Plan
    pieces: packing.Pieces
    shards: Shards
    pack: config.Pack

    @property
    def steps(self) -> int:
        return self.plan.steps

    def iterate(self, start: int = 0) -> Iterator[Batch]:
        for number in range(start, self.steps):
            rows = [self.plan.row(number, row) for row in range(self.pack.rows)]
            yield assemble(rows, self.pieces, self.shards, self.shards.kinds, self.pack, TileShape(0, 1))

    def position(self, step: int) -> dict[str, float]:
        return {}


@dataclass(frozen=True, slots=True)
class Judge:
    """Held-out losses by half and kind, as `fit/prose` (lapis.train.loop.Judge)."""

    sets: Mapping[str, list[Batch]]

    def losses(self, trainer: Trainer) -> dict[str, float]:
        found = {name: heldout.measure(trainer, batches) for name, batches in self.sets.items()}
        return {name: value for name, value in found.items() if value is not None}


class Trained:
    """Trains proxies of a recipe on its finished data stage (lapis.data.mixing.search.Proxies).

    Raises InputError for damaged shards, and a stage whose mixture has fewer than two kinds of text.
    """

    def __init__(self, recipe: config.Recipe, data: Path, folder: Path, stage: config.Train, plan: Mixing):
        self.recipe, self.folder, self.plan = recipe, folder, plan
        self.pack = config.Pack(plan.row_tokens, plan.rows, 0)
        self.tokenizer = chat.Tokenizer.load(data / "tokenizer", recipe.model.tokens_per_tile)
        self.shards = Shards(recipe.data.shards or data / "shards", fingerprint(data / "tokenizer"), recipe.cache)
        self.free, held = self._split(stage, data / "heldout")
        self.judge = Judge({name: list(batches_of(one, recipe.model, self.pack)) for name, one in held.items()})
        self.pieces = self._pieces()
        self.place = guard.prepare(recipe)
        self.spelling = self.tokenizer.spelling()

    @property
    def digest(self) -> str:
        """Of the data."""
        return hashlib.sha256(self.shards.digest.encode()).hexdigest()[:16]

    def _split(self, stage: config.Train, files: Path) -> tuple[Free, dict[str, list[Example]]]:
        """The kinds to be weighed, and what is held out of each, in halves; `self.withheld` are its own samples."""
        index = self.shards
        every = packing.cut_pieces(
            index.lengths, index.tiles, index.kind, index.documents, index.kinds, replace(self.pack, tiles=1 << 30)
        )
        found = free(stage.mixture, every, index.kinds, stage.name)
        self.withheld: list[int] = []
        held = self._held(files, found.kinds)
        for kind in found.kinds:
            if len(held[kind]) < len(HALVES):
                held[kind] = self._withhold(kind)
        halves = {f"{half}/{kind}": held[kind][at :: len(HALVES)] for at, half in enumerate(HALVES) for kind in held}
        return found, halves

    def _held(self, folder: Path, kinds: Sequence[str]) -> dict[str, list[Example]]:
        """Held-out samples of each kind from the run's files that fit a row, at most as many as the plan says."""
        cutter = Cutter(self.tokenizer, self.recipe.model)
        found: dict[str, list[Example]] = {kind: [] for kind in kinds}
        for sample in _samples(folder, self.plan.samples, kinds):
            made = example(sample, self.tokenizer, self.recipe.model, cutter)
            if made.document or len(made.ids) <= self.pack.row_tokens:
                found[sample.kind].append(made)
        return found

    def _withhold(self, kind: str) -> list[Example]:
        index, number = self.shards, self.shards.kinds.index(kind)
        fits = index.documents | (index.lengths <= self.pack.row_tokens)
        numbers = np.flatnonzero((index.kind == number) & fits)
        many = min(self.plan.samples, int(WITHHELD * len(numbers)))
        if many < len(HALVES):
            raise InputError(f"{kind}: {len(numbers)} samples are too few to hold any out; make more or leave it out")
        chosen = np.random.default_rng(WITHHELD_SEED).permutation(numbers)[:many].tolist()
        self.withheld += chosen
        return [self.shards.read(number) for number in chosen]

    def _pieces(self) -> packing.Pieces:
        """What may be drawn: text of the free kinds, without what is withheld."""
        index, kinds = self.shards, self.shards.kinds
        every = packing.cut_pieces(index.lengths, index.tiles, index.kind, index.documents, kinds, self.pack)
        wanted = np.isin(every.kind, [kinds.index(kind) for kind in self.free.kinds])
        kept = wanted & ~np.isin(every.sample, self.withheld)
        sample, start, length = every.sample[kept], every.start[kept], every.length[kept]
        return packing.Pieces(sample, start, length, every.tiles[kept], every.kind[kept], every.left_out)

    def train(self, tries: Sequence[Try], progress: Progress) -> Iterator[Losses]:
        """One run after the other, in this process."""
        for one in tries:
            yield self.run(one, progress)

    def run(self, one: Try, progress: Progress) -> Losses:
        """From fresh weights to held-out losses."""
        stage = config.Train(
            one.name,
            None,
            dict(one.weights),
            one.steps,
            self.pack,
            config.Optim(lr=self.plan.lr, end=END),
            trains=("decoder",),
            watch_every=0,
            checkpoint_every=one.steps,
        )
        seed = loop.seed_of(self.recipe, f"mix {one.seed}")
        plan = packing.make_plan(self.pieces, self.shards.kinds, stage.mixture, {}, self.pack, one.steps, seed)
        folder = self.folder / "work" / one.name
        folder.mkdir(parents=True, exist_ok=True)
        job = loop.Job(
            stage=stage,
            folder=folder,
            build=lambda: step.build(step.wrap(self._fresh(one.whole, one.seed)), stage, self.place),
            batches=Drawn(plan, self.pieces, self.shards, self.pack),
            heldout=self.judge,
            progress=progress,
        )
        losses = loop.train(job).summary["heldout"]
        shutil.rmtree(folder)
        return {half: {kind: losses[f"{half}/{kind}"] for kind in self.free.kinds} for half in HALVES}

    def _fresh(self, whole: bool, seed: int) -> Decoder:
        shape = self.recipe.model.decoder if whole else smaller(self.recipe.model.decoder, self.plan)
        made = init.fresh(shape, self.recipe.seed + seed)
        assert isinstance(made, Decoder)
        spell(made, self.spelling)
        return made


def smaller(decoder: config.Decoder, plan: Mixing) -> config.Decoder:
    """A decoder of the plan's width and layers; heads of the same size, as many as fit, and an MLP in proportion."""
    share = plan.width / decoder.width
    kv = max(1, round(decoder.kv_heads * share))
    heads = kv * max(1, round(decoder.heads * share / kv))
    mlp = max(8, round(decoder.mlp * share))
    return replace(decoder, width=plan.width, layers=plan.layers, heads=heads, kv_heads=kv, mlp=mlp)


def _samples(folder: Path, most: int, kinds: Sequence[str]) -> Iterator[Sample]:
    """At most so many text samples of each kind from the held-out files, by the files' names."""
    left = dict.fromkeys(kinds, most)
    for path in sorted(folder.glob("*.parquet")):
        if not left.keys() & {*store.read_column(path, "kind")}:
            continue
        for sample in store.read_samples(path):
            if left.get(sample.kind) and not sample.images:
                left[sample.kind] -= 1
                yield sample
