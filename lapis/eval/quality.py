"""What low precision costs: forms of one model on the same held-out questions, beside the model as it was trained.

Unusual: every form answers the very same questions, so a difference is paired and its interval is that of the
difference, not of two shares apart.

Shape legend: B = 1 row, T tokens, D width, V vocabulary.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lapis import chat, config
from lapis.eval import run, tables
from lapis.eval.harness import Ask, Record, measure, request_of, right, share
from lapis.eval.scores import scores
from lapis.eval.sized import Sized
from lapis.eval.stats import difference, relative
from lapis.eval.tasks import ALL, Task
from lapis.model import anyres
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.types import Completion, Image, InputError, Progress, Request, Sample

LOSSES = 32
"""Most samples of a task whose loss is taken."""
TIMED = 12
"""Questions by which forms are timed, one after the other."""


class Judged(Protocol):
    """A form of a model."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests."""
        ...

    def logits(self, encoded: chat.Encoded) -> Tensor:
        """fp32 [V] after a prompt."""
        ...

    def nll(self, encoded: chat.Encoded) -> list[float]:
        """Nats of each trained token of a sample, given all before it."""
        ...


class Torch:
    """A model of ours, or one that `export.quantise` made of it."""

    def __init__(self, model: Lapis | Decoder, tokenizer: chat.Tokenizer):
        self._model, self._sized = model, Sized(model, tokenizer)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        return self._sized.generate(requests)

    def logits(self, encoded: chat.Encoded) -> Tensor:
        return self._scores(encoded)[-1]

    def nll(self, encoded: chat.Encoded) -> list[float]:
        told_T = torch.tensor(encoded.trained[1:])
        next_T = torch.tensor(encoded.ids[1:])
        nats_T: Tensor = F.cross_entropy(self._scores(encoded)[:-1], next_T, reduction="none")
        return nats_T[told_T].tolist()

    def _scores(self, encoded: chat.Encoded) -> Tensor:
        return scores(self._model, encoded.ids, encoded.images)


@dataclasses.dataclass(frozen=True, slots=True)
class Questions:
    """The held-out questions that all forms are asked: samples by task, and the same as tokens with their answers."""

    plan: config.Eval
    samples: dict[Task, list[Sample]]
    encoded: dict[Task, list[chat.Encoded]]

    def asks(self) -> Iterator[tuple[Ask, Task]]:
        """Every task in each of its modes."""
        yield from ((Ask(task.name, mode), task) for task in self.samples for mode in task.modes)

    def count(self, forms: int) -> int:
        """Requests of a comparison of so many forms."""
        return forms * sum(len(self.samples[task]) for _, task in self.asks())


def questions(
    heldout: Path, plan: config.Eval, shape: config.Model | config.Decoder, tokenizer: chat.Tokenizer, longest: int
) -> Questions:
    """As many samples of each task as the plan takes, evenly spread over the set, and of those the ones that fit with
    an answer into `longest` tokens. Raises InputError where there is none."""
    asked = Questions(plan, {}, {})
    for task in ALL:
        if not (heldout / f"{task.name}.parquet").is_file():
            continue
        pairs = [(sample, _encode(sample, shape, tokenizer)) for sample in run.chosen(heldout, task, plan)]
        fit = [pair for pair in pairs if len(pair[1].ids) + plan.max_tokens <= longest]
        if fit:
            asked.samples[task], asked.encoded[task] = [one for one, _ in fit], [ids for _, ids in fit]
    if not asked.samples:
        raise InputError(f"{heldout}: no held-out set there, or none that fits into {longest} tokens")
    return asked


def _encode(sample: Sample, shape: config.Model | config.Decoder, tokenizer: chat.Tokenizer) -> chat.Encoded:
    def tiles(image: Image) -> int:
        assert isinstance(shape, config.Model)
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)

    return chat.encode_sample(sample, tokenizer, tiles)


def compare(forms: Mapping[str, Callable[[], Judged]], asked: Questions, progress: Progress) -> dict[str, Any]:
    """Loss, accuracy and speed of each form, and how they differ from the first, all with 95% intervals.

    Forms are made when they are needed, one after the other, and let go.
    """
    told: dict[str, Any] = {}
    first: Found | None = None
    for name, make in forms.items():
        found = _find(make(), name, asked, progress)
        first = first or found
        told[name] = _tell(found, first)
    return {"samples": asked.plan.samples, "reference": next(iter(forms)), "forms": told}


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What one form did."""

    answers: dict[str, list[Record]]
    losses: list[float]
    """Mean nats a token of each sample's answer."""
    logits: list[Tensor]
    """After each prompt."""
    seconds: float
    """Median of a question, asked alone."""


def _find(judged: Judged, name: str, asked: Questions, progress: Progress) -> Found:
    answers = {
        how.name: measure(judged, asked.samples[task], how, asked.plan.max_tokens, _Named(progress, name))
        for how, task in asked.asks()
    }
    encoded = [one for ids in asked.encoded.values() for one in ids[:LOSSES]]
    losses = [statistics.fmean(judged.nll(one)) for one in encoded]
    logits = [judged.logits(_prompt(one)) for one in encoded]
    return Found(answers, losses, logits, _pace(judged, asked))


@dataclasses.dataclass(frozen=True, slots=True)
class _Named:
    """Progress that says which form is at work."""

    progress: Progress
    name: str

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.progress.advance(steps, f"{self.name}: {note}")


def _prompt(encoded: chat.Encoded) -> chat.Encoded:
    """A sample up to its first trained token."""
    first = encoded.trained.index(True)
    return chat.Encoded(encoded.ids[:first], encoded.trained[:first], encoded.images)


def _pace(judged: Judged, asked: Questions) -> float:
    """Seconds of a question that is asked alone, the median of a few; an image is looked at each time anew."""
    how, task = next(asked.asks())
    taken = []
    for sample in asked.samples[task][:TIMED]:
        request = request_of(sample, how, asked.plan.max_tokens)
        began = time.perf_counter()
        judged.generate([request])
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _tell(found: Found, first: Found) -> dict[str, Any]:
    cosines = [float(F.cosine_similarity(a, b, dim=0)) for a, b in zip(found.logits, first.logits, strict=True)]
    same = [float(a.argmax() == b.argmax()) for a, b in zip(found.logits, first.logits, strict=True)]
    return {
        "loss": statistics.fmean(found.losses),
        "loss_more": relative(found.losses, first.losses).entry(),
        "cosine": {"mean": statistics.fmean(cosines), "least": min(cosines), "n": len(cosines)},
        "same_token": statistics.fmean(same),
        "seconds": found.seconds,
        "tasks": {name: _task(records, first.answers[name]) for name, records in found.answers.items()},
    }


def _task(records: Sequence[Record], first: Sequence[Record]) -> dict[str, Any]:
    more = difference([float(right(one)) for one in records], [float(right(one)) for one in first])
    return share(records) | {"more": more.entry()}


def table(told: Mapping[str, Any]) -> str:
    """The comparison as Markdown."""
    forms: Mapping[str, Any] = told["forms"]
    tasks = list(next(iter(forms.values()))["tasks"])
    heads = ["form", "loss", "loss more", "cosine of logits", "same next token", "s a question", *tasks]
    rows = ([name, *_cells(form, tasks, name == told["reference"])] for name, form in forms.items())
    return "\n".join(tables.markdown(heads, rows))


def _cells(form: Mapping[str, Any], tasks: Sequence[str], reference: bool) -> Iterator[str]:
    more = form["loss_more"]
    yield f"{form['loss']:.3f}"
    yield f"{more['value']:+.1%} ({more['low']:+.1%} to {more['high']:+.1%})"
    yield f"{form['cosine']['mean']:.4f}"
    yield f"{form['same_token']:.0%}"
    yield f"{form['seconds']:.3f}"
    yield from (_cell(form["tasks"][task], reference) for task in tasks)


def _cell(task: Mapping[str, Any], reference: bool) -> str:
    if reference:
        return f"{task['value']:.0%} ({task['low']:.0%} to {task['high']:.0%}, n = {task['n']})"
    more = task["more"]
    points = [f"{100 * more[side]:+.0f}" for side in ("value", "low", "high")]
    return f"{task['value']:.0%}, {points[0]} points ({points[1]} to {points[2]})"
