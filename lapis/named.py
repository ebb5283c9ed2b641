"""What a word on the command line names: a run, by its folder or its name under `runs/`, or a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lapis import config, files
from lapis.types import InputError

RUNS = Path("runs")


def run_folder(name: str) -> Path:
    """The folder of a run, by path or by its name under runs/. Raises InputError where there is none."""
    for folder in filter(is_run, (Path(name), RUNS / name)):
        return folder
    raise InputError(f"{name}: no run there; expected a run's folder or a name under {RUNS}/")


def is_run(folder: Path) -> bool:
    """Whether a folder is one that `lapis run` wrote."""
    return (folder / "config.json").is_file() and "stages" in _json(folder / "config.json")


def recipe_in(folder: Path) -> config.Recipe:
    """The resolved recipe of a run folder."""
    return config.load((folder / "config.json").read_text(encoding="utf-8"))


def model_folder(name: str) -> Path:
    """A model folder, by path, or the one of a run: its export, else its last stage that has a model. A program of
    `lapis export --to executorch` counts as one.

    Raises InputError where there is none.
    """
    if not Path(name).exists() and not (RUNS / name).exists():
        raise InputError(f"{name}: no such run or folder")
    if files.is_model(Path(name)) or files.is_program(Path(name)):
        return Path(name)
    try:
        folder = run_folder(name)
    except InputError:
        raise InputError(f"{name}: no model there; expected config.json and *.safetensors, or a run") from None
    found = next(filter(files.is_model, _models(folder)), None)
    if found is None:
        raise InputError(f"{folder}: no stage of this run has finished a model yet")
    return found


def _models(folder: Path) -> Iterator[Path]:
    recipe = recipe_in(folder)
    yield folder / recipe.export.name / "hf"
    yield from (folder / stage.name / "model" for stage in reversed(recipe.stages))


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{path}: no JSON; expected a run's or a model's config") from None
    return tree if isinstance(tree, dict) else {}
