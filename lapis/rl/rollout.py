"""Rollouts: each question asked several times through a generator, with the weight version that answered.

The mode and the budget are the sample's own, so what is drawn from the data is what is trained. Seeds follow from the
question's place in the run alone: the same run asks the same questions with the same random numbers.
"""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from lapis import chat, config
from lapis.dist.guard import Place
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine, encode_images
from lapis.types import Completion, Generator, InputError, Request, Sample, Turn

__all__ = ["Group", "encode_images", "engine", "prompt_turns", "request", "roll"]

SLOTS = 64
"""Most answers written at once."""


@dataclass(frozen=True, slots=True)
class Group:
    """All answers to one question."""

    sample: Sample
    answers: tuple[Completion, ...]
    version: int
    """Of the weights that wrote the answers."""
    fault: str = ""
    """Why there are none."""


def engine(model: Lapis | Decoder, tokenizer: chat.Tokenizer, stage: config.RL, place: Place) -> Engine:
    """An engine with weights of its own for the stage's answers; its window is the training row's."""
    return engine_of(copy.deepcopy(model), tokenizer, stage, min(stage.prompts * stage.group, SLOTS), place)


def engine_of(
    model: Lapis | Decoder,
    tokenizer: chat.Tokenizer,
    stage: config.RL,
    slots: int,
    place: Place,
    features: MutableMapping[bytes, Tensor] | None = None,
) -> Engine:
    """An engine that takes the model itself; its window is the training row's. Prompts of groups that are gone are not
    kept: the weights have changed when a question comes again."""
    return Engine(model, tokenizer, slots, stage.row_tokens, place.dtype, place.device, features, keep=0)


def prompt_turns(sample: Sample) -> tuple[Turn, ...]:
    """The turns up to the answer that the sample trains."""
    return sample.turns[:-1] if sample.turns[-1].role == "assistant" else sample.turns


def request(sample: Sample, max_tokens: int, temperature: float = 0.0, seed: int = 0) -> Request:
    """A sample's question as it was meant: its mode, and its budget shown in the prompt where it has one."""
    return Request(
        turns=prompt_turns(sample),
        think=sample.think,
        budget=-1 if sample.budget is None else sample.budget,
        show_budget=sample.budget is not None,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    )


def prompt_tokens(request: Request, tokenizer: chat.Tokenizer, tiles: chat.Tiles) -> int:
    """Tokens of a request's prompt, image tokens too. Raises InputError as `tiles` does."""
    shown = request.budget if request.show_budget and request.budget >= 0 else None
    return len(chat.encode_prompt(request.turns, request.think, shown, tokenizer, tiles).ids)


def roll(
    generator: Generator, samples: Sequence[Sample], stage: config.RL, first: int, seed: int, version: int
) -> list[Group]:
    """`stage.group` answers to each sample; `first` is the first one's place among all questions of the run."""
    asked = [
        [
            request(sample, stage.max_tokens, stage.temperature, (seed << 40) + place * stage.group + member)
            for member in range(stage.group)
        ]
        for place, sample in enumerate(samples, first)
    ]
    return [
        Group(sample, (), version, found) if isinstance(found, str) else Group(sample, tuple(found), version)
        for sample, found in zip(samples, written(generator, asked), strict=True)
    ]


def written(generator: Generator, asked: Sequence[Sequence[Request]]) -> list[list[Completion] | str]:
    """Answers to each question's requests; the reason where a question cannot be asked, which costs no other.

    A generator refuses all of its requests for one of them, before any work: the halves are tried then.
    """
    if not asked:
        return []
    try:
        answers = iter(generator.generate([one for requests in asked for one in requests]))
    except InputError as error:
        half = len(asked) // 2
        return [*written(generator, asked[:half]), *written(generator, asked[half:])] if half else [str(error)]
    return [[next(answers) for _ in requests] for requests in asked]
