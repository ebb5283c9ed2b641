"""`lapis data mixture`: find the weights of a stage's kinds of text"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapis.parsing import takes_words

if TYPE_CHECKING:
    from lapis import config
    from lapis.data_config.mixing import Mixing

NAME, ABOUT = "mixture", "find a stage's mixture: proxy runs, a regression, a check"
EXAMPLE = "lapis data mixture pocket --stage teacher mixing.runs=64"
MARK = "mixing."
MINUTES = 4.0
"""Rough time of each half before the first steps are timed."""


def options(verb: argparse.ArgumentParser) -> None:
    """The recipe, its overrides, and the stage."""
    from lapis.verbs import recipe_names

    verb.add_argument("recipe", metavar="RECIPE", help=f"a file in lapis/recipes: {', '.join(recipe_names())}")
    verb.add_argument("--smoke", action="store_true", help="on the data of the smoke run, with very few short runs")
    verb.add_argument("--stage", metavar="STAGE", help="whose mixture; the first that trains, where none is named")
    about = "mixing.FIELD=VALUE (mixing.runs=64), a config field, or out=DIR for the run's folder"
    takes_words(verb, about)


def act(words: argparse.Namespace) -> None:
    """Search, or go on with a search; makes the data first where it is not there. Prints the file of weights,
    and the weights as a recipe has them."""
    from lapis import run as road
    from lapis.verbs import folder_of, recipe_of

    plan = plan_of([word for word in words.words if word.startswith(MARK)], few() if words.smoke else None)
    words.words = [word for word in words.words if not word.startswith(MARK)]
    recipe, folder = recipe_of(words), folder_of(words)
    stage = stage_of(recipe, words.stage)
    if not (folder / recipe.data.name / "done.json").is_file():
        road.run(recipe, folder, only=recipe.data.name)
    with road.locked(folder / "mixture" / stage.name):
        found = searched(recipe, folder / recipe.data.name, folder / "mixture" / stage.name, stage, plan)
    said = ", ".join(f"{kind} {entry['share']:.0%}" for kind, entry in found["shares"].items())
    path = folder / "mixture" / stage.name / "weights.json"
    print(f"{path}: {said} of the tokens\nfor a recipe: {pasted(path)}")


def pasted(weights: Path) -> str:
    """Found weights as the dict that a recipe's file holds, in three digits."""
    found = json.loads(weights.read_text(encoding="utf-8"))
    return "{" + ", ".join(f'"{kind}": {weight:.3g}' for kind, weight in found.items()) + "}"


def few() -> Mixing:
    """Very few short runs, for the smoke run."""
    from lapis.data_config.mixing import Mixing

    return Mixing(
        runs=8,
        wide=6,
        steps=3,
        whole=1,
        rows=2,
        width=32,
        layers=1,
        samples=8,
        resamples=10,
        check_steps=3,
        seeds=1,
        workers=1,
    )


def plan_of(words: list[str], usual: Mixing | None = None) -> Mixing:
    """The search that `mixing.FIELD=VALUE` words say, by default the plan's own values.

    Raises InputError for a word that is not understood.
    """
    from lapis import overrides
    from lapis.data_config.mixing import Mixing
    from lapis.types import InputError

    tree: dict[str, Any] = {"mixing": dataclasses.asdict(usual or Mixing())}
    for word in words:
        path, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word}: expected key=value")
        overrides.assign(tree, path, value)
    try:
        return overrides.check(Mixing, tree["mixing"])
    except InputError as error:
        raise InputError(f"{MARK}{error}") from None


def stage_of(recipe: config.Recipe, name: str | None) -> config.Train:
    """The training stage of a name, or the first one. Raises InputError where the recipe has none."""
    from lapis import config
    from lapis.types import InputError

    trained = {one.name: one for one in recipe.stages if isinstance(one, config.Train)}
    if name is not None and name not in trained:
        raise InputError(f"{name}: no training stage of {recipe.name}; there are {', '.join(trained)}")
    return trained[name or next(iter(trained))]


def searched(recipe: config.Recipe, data: Path, folder: Path, stage: config.Train, plan: Mixing) -> dict[str, Any]:
    """The whole search, with bars; returns what `mixture.json` holds."""
    from lapis.data.mixing.search import FULL, Search
    from lapis.progress import Bars, Task
    from lapis.proxy_pool import trained

    known, proxies = trained(recipe, data, folder, stage, plan)
    facts = {"recipe": recipe.name, "stage": stage.name, "data": known.digest}
    search = Search(folder, plan, known.free, facts, proxies)
    tasks = [Task("proxies", MINUTES), *([Task("check", MINUTES)] if plan.seeds else [])]
    with Bars(tasks, {}) as bars:
        with bars.stage("proxies", search.steps) as tries:
            choice = search.found(tries)
        if not plan.seeds:
            return search.write(choice, {})
        with bars.stage("check", len(FULL) * plan.seeds * plan.check_steps) as checks:
            return search.write(choice, search.checked(choice, checks))
