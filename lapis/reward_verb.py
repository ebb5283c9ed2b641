"""What `lapis train-rm` does: a reward model from preference pairs, of a file or of a set that is made."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lapis import reward_config
from lapis.data_config.read import read
from lapis.named import model_folder
from lapis.parsing import takes_words
from lapis.types import InputError

if TYPE_CHECKING:
    from lapis.data.pairs import Pair

ABOUT = "train a reward model on pairs of preferences"
EXAMPLE = "lapis train-rm pocket --pairs safety steps=300 out=runs/safety"
MADE, HELD = 2000, 200
"""Pairs of a made set, to train on and to measure."""
SEED = 0
"""Of made sets: the same ones for every model."""


def options(verb: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    verb.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a model folder to begin with")
    about = "JSON lines with prompt, chosen and rejected, or a set that is made: safety, thoughts"
    verb.add_argument("--pairs", metavar="FILE|SET", required=True, help=about)
    takes_words(verb, "out=DIR, the folder to write; or a field")


def train(words: argparse.Namespace) -> None:
    """Train, going on where it was cut; one line says where the model is and how often it is right."""
    from lapis.verbs import out_of

    out = out_of(words)
    told = [word for word in words.words if not word.startswith("out=")]
    how = read(reward_config.RewardModel(), None, told)
    folder = model_folder(words.model)
    pairs, held = pairs_of(words.pairs)
    _work(folder, pairs, held, how, out)


def pairs_of(name: str) -> tuple[list[Pair], list[Pair] | None]:
    """The pairs to train on, and those that are measured where they are not drawn from them."""
    from lapis.data import pairs
    from lapis.data.synth.preferences import SETS

    if name in SETS:
        return list(SETS[name](MADE, SEED, "train")), list(SETS[name](HELD, SEED, "held"))
    if not Path(name).is_file():
        raise InputError(f"--pairs {name}: no such file; expected JSON lines, or one of {', '.join(SETS)}")
    return list(pairs.read(Path(name))), None


def _work(folder: Path, pairs: list[Pair], held: list[Pair] | None, how: reward_config.RewardModel, out: Path) -> None:
    from lapis import chat, config
    from lapis.dist import guard
    from lapis.model import convert
    from lapis.progress import Bars, Task
    from lapis.rl import reward_train

    model = convert.read(folder)
    tiles = model.config.tokens_per_tile if isinstance(model.config, config.Model) else 1
    tokenizer = chat.Tokenizer.load(folder, tiles)
    device = guard.device_of("auto")
    place = guard.Place(device, guard.dtype_of("auto", device))
    sets = reward_train.split(pairs, held, tokenizer, how)
    with Bars([Task("train-rm", 1)], {}) as bars, bars.stage("train-rm", how.steps) as progress:
        facts = reward_train.train(model, tokenizer, sets, how, place, out, progress)
    found = facts["after"]
    share = f"{found['value']:.1%} of {found['n']} held-out pairs right ({found['low']:.1%} to {found['high']:.1%})"
    print(f"{out}: {share}, {facts['before']['value']:.1%} before")
