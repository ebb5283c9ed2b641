"""Stage entries of a recipe, from their parents' models to their own folder.

Every entry ends alike: `config.json` (the entry and the whole resolved recipe), `model/`, and `done.json` last, so a
folder with `done.json` is complete and one without is resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from lapis import chat, config, files
from lapis.data.deal import cost_of
from lapis.data.loader import Loader
from lapis.data.shards import fingerprint
from lapis.dist import guard, mesh, nodes, processes
from lapis.dist.mesh import Mesh, alone
from lapis.export import hf
from lapis.model import convert, init, prune, source
from lapis.model.decoder import Decoder
from lapis.model.spell import spell
from lapis.model.vlm import Lapis, text_of
from lapis.train import loop, step
from lapis.train.heldout import HeldOut
from lapis.train.online import Questions
from lapis.types import InputError, Progress

Entry = config.Train | config.Prune | config.Join | config.Start
Made = tuple[Lapis | Decoder, dict[str, Any]]
"""An entry's model and its summary."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an entry stands in its run."""

    recipe: config.Recipe
    run: Path
    progress: Progress
    mesh: Mesh = field(default_factory=alone)

    @property
    def data(self) -> Path:
        return self.run / self.recipe.data.name

    def tokenizer(self) -> chat.Tokenizer:
        return chat.Tokenizer.load(self.data / "tokenizer", self.recipe.model.tokens_per_tile)

    def model(self, stage: str) -> Lapis | Decoder:
        """The model that another stage wrote. Raises InputError where there is none."""
        return convert.read(self.run / stage / "model")

    def batches(self, name: str, mixture: Mapping[str, float], pack: config.Pack, steps: int, epochs: Any) -> Loader:
        return Loader(
            self.recipe.data.shards or self.data / "shards",
            dict(mixture),
            pack,
            steps,
            loop.seed_of(self.recipe, name),
            dict(epochs),
            self.recipe.model.tokens_per_tile,
            fingerprint(self.data / "tokenizer"),
            share=(self.mesh.row_rank, self.mesh.rows),
            cost=cost_of(self.recipe.model),
            cache=self.recipe.cache,
        )


def run_entry(
    entry: Entry, recipe: config.Recipe, run: Path, progress: Progress, team: nodes.Team | None = None
) -> None:
    """Run or resume one entry; afterwards `run/NAME/` holds config.json, model/ and done.json.

    Training is spread over processes, and over a team's nodes, where the recipe says so. Raises InputError for a
    missing parent, damaged data, a full disk, or numbers that stay broken.
    """
    if isinstance(entry, config.Train) and (recipe.dist.nproc > 1 or team is not None):
        processes.run(work, recipe, run, entry.name, progress, team)
    else:
        perform(entry, Setting(recipe, run, progress))


def work(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    """One process's part of a stage; the process group stands."""
    entry = next(one for one in recipe.stages if one.name == name)
    assert isinstance(entry, config.Train)
    shape = mesh.shaped(recipe.dist, entry.pack, dist.get_world_size())
    perform(entry, Setting(recipe, run, progress, mesh.build(shape, guard.device_of(recipe.device))))


def perform(entry: Entry, setting: Setting) -> None:
    """One process's part of an entry: all of it where there is one process only."""
    folder = setting.run / entry.name
    setting.mesh.once(lambda: _begin(entry, setting, folder))
    module, summary = WORK[entry.op](entry, setting)
    setting.mesh.once(lambda: _end(module, summary, setting, folder))


def _begin(entry: Entry, setting: Setting, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", {**asdict(entry), "recipe": asdict(setting.recipe)})


def _end(module: Lapis | Decoder, summary: dict[str, Any], setting: Setting, folder: Path) -> None:
    hf.write(module.cpu(), setting.tokenizer(), folder / "model")
    files.write_json(folder / "done.json", summary)


def run_stage(stage: config.Train, setting: Setting) -> Made:
    """Train: the parent's model, or fresh weights, on the stage's mixture."""
    where = guard.prepare(setting.recipe, setting.recipe.dist.nproc if setting.mesh.world > 1 else 1)
    teacher = step.wrap(setting.model(stage.distil.teacher)) if stage.distil else None
    letters = _letters(setting.tokenizer())
    job = loop.Job(
        stage=stage,
        folder=setting.run / stage.name,
        build=lambda: step.build(step.wrap(_start(stage, setting)), stage, where, teacher, letters, setting.mesh),
        batches=setting.batches(stage.name, stage.mixture, stage.pack, stage.steps, stage.epochs),
        heldout=HeldOut(setting.data / "heldout", setting.tokenizer(), setting.recipe.model, stage.pack),
        progress=setting.progress,
        questions=Questions(
            stage.online, setting.data / "heldout", setting.recipe.eval.max_tokens, setting.tokenizer()
        ),
    )
    done = loop.train(job)
    return step.gathered(done.trainer), done.summary


def _letters(tokenizer: chat.Tokenizer) -> Tensor:
    """Ids of the tokens that are one character, rising: what a patch may show."""
    return torch.tensor(sorted(token for token, characters in tokenizer.spelling().items() if characters == (token,)))


def _start(stage: config.Train, setting: Setting) -> Lapis | Decoder:
    """The network as the stage begins, with its positions switched where the stage says so."""
    recipe = setting.recipe
    shapes: dict[str, config.Model | config.Decoder]
    shapes = {"teacher": recipe.teacher, "student": recipe.model.decoder, "full": recipe.model}
    module = init.fresh(shapes[stage.shape], recipe.seed) if stage.parent is None else setting.model(stage.parent)
    decoder = text_of(module)
    if stage.parent is None:
        spell(decoder, setting.tokenizer().spelling())
    if stage.yarn is not None:
        decoder.set_yarn(stage.yarn)
    return module


def _prune(entry: config.Prune, setting: Setting) -> Made:
    """Cut the parent to the student's shape by its activations on prose."""
    guard.prepare(setting.recipe)
    teacher = setting.model(entry.parent)
    if not isinstance(teacher, Decoder):
        raise InputError(f"stages.{entry.name}.parent: {entry.parent} is a whole model, expected a text decoder")
    pack = config.Pack(row_tokens=entry.row_tokens, rows=8, tiles=0)
    batches = setting.batches(entry.name, {"prose": 1.0}, pack, -(-entry.samples // pack.rows), {}).iterate()
    student = prune.prune(teacher, setting.recipe.model.decoder, prune.importance(teacher, batches))
    setting.progress.advance()
    return student, {"steps": 0, "parent": entry.parent}


def _join(entry: config.Join, setting: Setting) -> Made:
    """Put the parent's decoder behind the entry's tower, or a fresh one, and a fresh adapter."""
    decoder = setting.model(entry.parent)
    if not isinstance(decoder, Decoder):
        raise InputError(f"stages.{entry.name}.parent: {entry.parent} has a ViT already, expected a text decoder")
    module = init.join(decoder, setting.recipe.model, setting.recipe.seed, entry.vision)
    setting.progress.advance()
    return module, {"steps": 0, "parent": entry.parent}


def _begin_with(entry: config.Start, setting: Setting) -> Made:
    """The recipe's weights as they were published, with rows for the special tokens."""
    module = source.read(setting.recipe, setting.data / "tokenizer")
    setting.progress.advance()
    return module, {"steps": 0, "start": setting.recipe.start, "vision": entry.vision}


WORK: dict[str, Callable[[Any, Setting], Made]] = {
    "train": run_stage,
    "prune": _prune,
    "join": _join,
    "start": _begin_with,
}
