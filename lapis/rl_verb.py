"""What `lapis rl` does: a recipe up to its RL stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from lapis import config
from lapis import run as road
from lapis.types import InputError
from lapis.verbs import folder_of, recipe_of


def reinforce(words: argparse.Namespace) -> None:
    """The recipe's stages up to the last one of RL."""
    print(reinforced(recipe_of(words), folder_of(words)))


def reinforced(recipe: config.Recipe, folder: Path) -> Path:
    """Walk the stages; returns the last RL stage's folder. Raises InputError for a recipe without one."""
    names = [entry.name for entry in recipe.stages if isinstance(entry, config.RL)]
    if not names:
        raise InputError(f"{recipe.name}: has no stage of RL")
    road.run(recipe, folder, only=names[-1])
    return folder / names[-1]
