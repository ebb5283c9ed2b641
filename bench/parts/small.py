"""Pocket's data stage with a tenth of its samples, for benches that need real samples and no whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lapis import config
from lapis import run as road
from lapis.named import recipe_in
from lapis.recipes import pocket

HOME = Path(".cache") / "bench" / "small-run"


def recipe() -> config.Recipe:
    """Pocket, with a tenth of its data."""
    made = pocket.recipe()
    few = replace(made.data, screens=400, pages=10, held_screens=10, questions=12000, fresh=10, needles=20, captions=20)
    return replace(made, data=few)


def data_of(run: Path | None) -> tuple[config.Recipe, Path]:
    """The recipe and the data folder of a run whose data stage is done; without one the small recipe's, made first."""
    made = recipe() if run is None else recipe_in(run)
    folder = run or HOME
    if not (folder / made.data.name / "done.json").is_file():
        road.run(made, folder, only=made.data.name)
    return made, folder / made.data.name
