"""What a person does with a finished model at the command line: talk, ask one question, measure it."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lapis import chat as template
from lapis import config, files
from lapis.eval import grounding
from lapis.eval import run as evaluation
from lapis.eval.program import Program
from lapis.model import convert
from lapis.progress import Bars, Task
from lapis.serve.engine import Engine
from lapis.serve.executorch import Device
from lapis.serve.features import Features
from lapis.types import Image, InputError, Request, Text, Turn

LEAVE = ("/quit", "/exit")
LONGEST = 4096
"""Most tokens of a conversation in the terminal: what the cache is made for."""
FEATURES = 512 * 2**20
"""Bytes of images' features that are kept."""


@dataclass(frozen=True, slots=True)
class How:
    """How a question is to be answered; fields as in `types.Request`."""

    think: bool
    budget: int
    max_tokens: int


def opened(folder: Path) -> Engine | Device:
    """A model to talk to, kept images included; a program of `lapis export --to executorch` runs in its own runtime."""
    return Device(folder) if files.is_program(folder) else engine(folder, features=Features(FEATURES))


def engine(folder: Path, slots: int = 1, longest: int = LONGEST, features: Features | None = None) -> Engine:
    """The model in `folder` ready for `slots` requests at a time, on a GPU in bf16 where there is one, else fp32."""
    shape = convert.config_of(folder)
    decoder, tiles = (shape.decoder, shape.tokens_per_tile) if isinstance(shape, config.Model) else (shape, 1)
    tokenizer = template.Tokenizer.load(folder, tiles)
    cuda = torch.cuda.is_available()
    return Engine(
        convert.read(folder),
        tokenizer,
        slots=slots,
        length=min(decoder.max_positions, longest),
        dtype=torch.bfloat16 if cuda else torch.float32,
        device="cuda" if cuda else "cpu",
        features=features,
    )


def chat(folder: Path, image: Image | None, how: How, prompt: str | None) -> None:
    """Answer `prompt`, or talk until the input ends; `image` stands in the first question."""
    model = opened(folder)
    if prompt is not None:
        answer(model, (question(prompt, image),), how)
        return
    turns: tuple[Turn, ...] = ()
    print(f"{folder}: type a question; {LEAVE[0]} or Ctrl-D leaves")
    while (words := _line()) is not None:
        turns = (*turns, question(words, image if not turns else None))
        turns = (*turns, answer(model, turns, how))


def question(words: str, image: Image | None) -> Turn:
    """A user's turn, with the picture before the words."""
    return Turn("user", (*((image,) if image else ()), Text(words)))


def answer(model: Engine | Device, turns: tuple[Turn, ...], how: How) -> Turn:
    """Stream the model's answer to standard output; returns it as a turn."""
    request = Request(turns, how.think, how.budget, show_budget=how.budget >= 0, max_tokens=how.max_tokens)
    pieces = []
    for piece in model.stream(request):
        pieces.append(piece)
        print(piece, end="", flush=True)
    print()
    said = "".join(pieces)
    return Turn("assistant", (Text(said.rpartition(template.UNTHINK)[2]),))


def _line() -> str | None:
    """The next question that is not empty; None at the end."""
    while True:
        try:
            words = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return None
        if words in LEAVE:
            return None
        if words:
            return words


def heldout(folder: Path, run: Path, recipe: config.Recipe, samples: int | None) -> dict[str, Any]:
    """The run's own evaluation of the model in `folder`, on `samples` of each task; kept in RUN/eval-MODEL."""
    plan = dataclasses.replace(recipe.eval, samples=samples or recipe.eval.samples)
    recipe = dataclasses.replace(recipe, eval=plan)
    data = run / recipe.data.name / "heldout"
    out = run / "-".join(("eval", *folder.absolute().relative_to(run.absolute()).parts))
    out.mkdir(exist_ok=True)
    with Bars([Task("eval", plan.minutes)], {}) as bars, bars.stage("eval", evaluation.count(plan, data)) as progress:
        return evaluation.evaluate(folder, recipe, data, out, progress)


def screenspot(folder: Path, benchmark: Path) -> dict[str, Any]:
    """Grounding on ScreenSpot v1, v2 or Pro in the form they are published: benchmark to its summary."""
    if not benchmark.is_dir():
        raise InputError(f"{benchmark}: no such folder")
    total = sum(map(len, grounding.read(benchmark).values()))
    with Bars([Task("screenspot", 0)], {}) as bars, bars.stage("screenspot", total) as progress:
        generator = Program(folder) if files.is_program(folder) else engine(folder)
        return grounding.evaluate(generator, benchmark, evaluation.POINT_TOKENS, progress)[0]
