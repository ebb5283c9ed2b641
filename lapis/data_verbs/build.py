"""`lapis data build`: a recipe's data stage alone"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lapis.parsing import takes_words

NAME, ABOUT = "build", "make a recipe's samples and shards, from its sources on"
EXAMPLE = "lapis data build pocket --smoke"
ENDS = (("in", 0), ("out", -1))
"""What goes into the first step of a source, and what comes out of its last."""


def options(verb: argparse.ArgumentParser) -> None:
    """The recipe and its overrides."""
    from lapis.verbs import recipe_names

    verb.add_argument("recipe", metavar="RECIPE", help=f"a file in lapis/recipes: {', '.join(recipe_names())}")
    verb.add_argument("--smoke", action="store_true", help="the same road in under three minutes")
    about = "end after this step: samples and their counts (corpus), or the shards of all (shards)"
    verb.add_argument("--until", choices=("corpus", "shards"), help=about)
    about = "a config field (data.screens=100), or out=DIR for the run's folder"
    takes_words(verb, about)


def act(words: argparse.Namespace) -> None:
    """Run the data stage; prints what became of each source, and its folder."""
    from lapis import run as road
    from lapis.verbs import folder_of, recipe_of

    recipe, folder = recipe_of(words), folder_of(words)
    road.run(recipe, folder, only=recipe.data.name, until=words.until)
    corpus = folder / recipe.data.name / "corpus"
    print("\n".join([*told(corpus / "counts.json"), *taken(corpus / "select.json"), str(folder / recipe.data.name)]))


def told(counts: Path) -> Iterator[str]:
    """A line a source of a corpus: what went in, what came out, and why the rest did not, the commonest reason first.

    None where no source has been worked on.
    """
    steps = json.loads(counts.read_text(encoding="utf-8"))["steps"] if counts.is_file() else []
    for source in dict.fromkeys(step["source"] for step in steps):
        own = [step for step in steps if step["source"] == source]
        first, last = (sum(step[side] for step in own if step["name"] == own[at]["name"]) for side, at in ENDS)
        gone = sum((Counter(step["dropped"]) for step in own), Counter[str]())
        reasons = ", ".join(f"{reason} {many:,}" for reason, many in gone.most_common())
        yield f"{source}: {last:,} of {first:,} kept" + (f" ({reasons})" if reasons else "")


def taken(path: Path) -> Iterator[str]:
    """A line on what key data resampling did to the kinds; none where it is off."""
    tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if tree.get("scale"):
        told = (f"{kind} {one['taken_rows'] / max(one['rows'], 1):.2f}" for kind, one in tree["kinds"].items())
        yield "key data, times that a sample is taken: " + ", ".join(told)
