"""`lapis data build`: a recipe's data stage alone"""

from __future__ import annotations

import argparse

NAME, ABOUT = "build", "make a recipe's samples and shards, from its sources on"
EXAMPLE = "lapis data build pocket --smoke"


def options(verb: argparse.ArgumentParser) -> None:
    """The recipe and its overrides."""
    from lapis.verbs import recipe_names

    verb.add_argument("recipe", metavar="RECIPE", help=f"a file in lapis/recipes: {', '.join(recipe_names())}")
    verb.add_argument("--smoke", action="store_true", help="the same road in under three minutes")
    about = "end after this step: samples and their counts (corpus), or the shards of all (shards)"
    verb.add_argument("--until", choices=("corpus", "shards"), help=about)
    about = "a config field (data.screens=100), or out=DIR for the run's folder"
    verb.add_argument("words", metavar="key=value", nargs="*", default=[], help=about)


def act(words: argparse.Namespace) -> None:
    """Run the data stage; prints its folder."""
    from lapis import run as road
    from lapis.verbs import folder_of, recipe_of

    recipe, folder = recipe_of(words), folder_of(words)
    road.run(recipe, folder, only=recipe.data.name, until=words.until)
    print(folder / recipe.data.name)
