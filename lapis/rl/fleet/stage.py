"""The RL stage by processes on Ray: the same files, questions and figures as the loop in one process writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lapis import chat, config, files
from lapis.model import anyres, convert
from lapis.rl import loop, questions
from lapis.rl.choose import Chooser
from lapis.rl.fleet import cluster
from lapis.rl.fleet.judge import Make
from lapis.rl.fleet.pool import Pool
from lapis.rl.rewards.made import book_of
from lapis.rl.rollout import prompt_tokens
from lapis.rl.services import registry
from lapis.types import Image, InputError, Progress, Request, Sample

log = logging.getLogger(__name__)

LIVES = 3
"""Times that a trainer may die without a checkpoint between."""
Json = dict[str, Any]


@dataclass(slots=True)
class Work:
    """A stage on its way."""

    stage: config.RL
    recipe: config.Recipe
    model: Path
    """Folder of the weights to begin with."""
    folder: Path
    progress: Progress
    book: Make
    fit: questions.Fit
    asked: Sequence[Sample]
    held: Sequence[Sample]
    saved: int = -1
    """Steps in the newest checkpoint of this start."""

    def lives(self) -> Json:
        """As `live`, from the last checkpoint again where the trainer dies."""
        from lapis.rl.fleet.crew import TrainerDied

        deaths = 0
        while True:
            before = self.saved
            try:
                return self.live()
            except TrainerDied as error:
                deaths = 1 if self.saved > before else deaths + 1
                if deaths > LIVES:
                    raise InputError(f"{self.stage.name}: the trainer dies again and again ({error})") from None
                log.warning("%s: %s; going on from the last checkpoint", self.stage.name, error)

    def live(self) -> Json:
        """All steps that are left; figures before and after, and the run's totals."""
        from lapis.rl.fleet.crew import Ask, Crew
        from lapis.rl.fleet.orchestrator import Orchestrator
        from lapis.rl.fleet.saved import FIGURES
        from lapis.rl.fleet.told import Watch

        crew = Crew(self.model, self.stage, self.recipe, self.folder, Ask(self.fit.tokens, self.book))
        chooser = Chooser(self.asked, self.stage.hard, self.recipe.seed)
        pool = Pool(self.stage, chooser)
        main = Orchestrator(pool, crew, Watch(self.stage, self.folder), self.progress)
        try:
            facts = main.train(lambda: self._measure(crew))
            after = self._measure(crew)
            crew.export()
            return {name: facts[name] for name in FIGURES} | {"after": after, **loop.dropped(pool.failures, self.fit)}
        finally:
            self.saved = max(self.saved, main.saved)
            crew.dismiss()

    def _measure(self, crew: Any) -> Json:
        return loop.measure(crew, crew.judged, self.held, self.stage, loop.HELD_SEED)


def run(stage: config.RL, recipe: config.Recipe, run: Path, progress: Progress, make: Make | None = None) -> None:
    """The whole stage in `run/stage.name`: what loop.run writes, trace.json and idle.json.

    `make` gives another book of rewards than the config's. Raises InputError as loop.run does, where Ray is not there,
    and where mismatch or failures stop the run.
    """
    folder, model = run / stage.name, run / stage.parent / "model"
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", {**asdict(stage), "recipe": asdict(recipe)})
    fit = questions.Fit(stage, _tokens(model, recipe))
    asked, held = questions.both(run, recipe, stage, fit)
    book = make or partial(book_of, stage.rewards, recipe.device)
    with cluster.joined(recipe):
        cluster.offers(stage.fleet)
        for name in stage.rewards.services:
            registry.found(name)
        done = Work(stage, recipe, model, folder, progress, book, fit, asked, held).lives()
    files.write_json(folder / "done.json", {**done, "steps": stage.steps})


def _tokens(model: Path, recipe: config.Recipe) -> Callable[[Request], int]:
    """Tokens of a request's prompt, by the model's own tokenizer and tiles."""
    tokenizer, shape = chat.Tokenizer.load(model, recipe.model.tokens_per_tile), convert.config_of(model)

    def tiles(image: Image) -> int:
        if not isinstance(shape, config.Model):
            raise InputError("image: this model reads text only")
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)

    return lambda one: prompt_tokens(one, tokenizer, tiles)
