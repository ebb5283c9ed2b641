"""`lapis data sets`: an SFT set and an RL set of samples, without copies and in balance"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lapis.parsing import takes_words

if TYPE_CHECKING:
    from lapis.endpoint import Endpoint

NAME, ABOUT = "sets", "SFT and RL sets of samples: no copies, abilities in balance, items by difficulty"
EXAMPLE = "lapis data sets made/answers.parquet made/problems.parquet balance.temperature=0.5 constraints=500 out=sets"


def options(verb: argparse.ArgumentParser) -> None:
    """Files, a config, and its words."""
    verb.add_argument("files", metavar="FILE", nargs="+", help="samples (Parquet), lines of JSON, or folders of them")
    verb.add_argument("--config", metavar="TOML", type=Path, help="fields of lapis/data_config/sets.py")
    about = "a config field (balance.total=50000, near=false), or out=DIR"
    takes_words(verb, about)


def act(words: argparse.Namespace) -> None:
    """Build both sets; prints how many samples they have, and what asking for answers took."""
    from lapis.data.answers.ask import ByHTTP
    from lapis.data.answers.synthesise import LOG
    from lapis.data.sets.build import Askers, build
    from lapis.data_config.read import read
    from lapis.data_config.sets import Sets
    from lapis.data_verbs.answers import sorted_words, told_of
    from lapis.progress import Bars, Task

    paths, told, out = sorted_words([*words.files, *words.words], "sets")
    settings = read(Sets(), words.config, told)
    asked, log = settings.candidates, out / LOG
    models = {name: ByHTTP(one, log, asked.spend) for name, one in named(asked.models).items()}
    scorer = ByHTTP(asked.scorer, log, asked.spend) if asked.scorer.url else None
    with Bars([Task("sets", 0.0)], {}) as bars, bars.stage("sets") as progress:
        built = build(settings, paths, out, Askers(models, scorer), progress)
    print(f"{out}: {built.sft} samples in sft.parquet, {built.rl} items in rl.parquet")
    if models:
        print(f"{out / LOG}: {told_of(built.tally)}")


def named(models: Sequence[Endpoint]) -> dict[str, Endpoint]:
    """Models by their names. Raises InputError where two have one name: their answers are told apart by it."""
    from lapis.types import InputError

    twice = [name for name, many in Counter(one.name for one in models).items() if many > 1]
    if twice:
        raise InputError(f"candidates.models: {twice[0]!r} names two models; expected a `name` of its own for each")
    return {one.name: one for one in models}
