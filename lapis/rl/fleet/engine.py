"""A process that writes answers: the torch engine with a thread of its own, fed and emptied while it runs.

What reaches the thread is a function that it runs between two decode steps: new questions, and new weights. Requests
in flight are not dropped when weights change: what they have written stays, with the version of the weights of every
token, and they go on with their old keys and values (as in AReaL, arXiv 2505.24298, without its recomputation of the
cache). No later request takes anything from those keys (`Session.forget`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

import torch

from lapis import chat, config
from lapis.dist import guard, heap
from lapis.model import convert
from lapis.model.vlm import text_of
from lapis.rl.fleet.messages import Answer, Call, Question, Report, Sent
from lapis.rl.fleet.trace import Spans
from lapis.rl.fleet.weights import Broadcast, Files, Flat, here
from lapis.rl.rollout import engine_of
from lapis.serve.engine import PREFILL_TOKENS, Engine
from lapis.serve.features import Features
from lapis.serve.inbox import Inbox, drain
from lapis.serve.job import Job
from lapis.types import InputError

GATHER = 0.02
"""Seconds in which answers that end are told together: a message costs about as much as a decode step."""
FEATURES = 256 * 2**20
"""Bytes of images' features that an engine keeps: the vision tower is not trained."""


@dataclass(slots=True)
class _Live:
    """An answer that is being written."""

    question: Question
    versions: list[tuple[int, int]] = field(default_factory=list)
    """(tokens written when they came, version of weights)."""


class Writer:
    """An engine that nobody else may use while it lives, and its thread."""

    def __init__(self, engine: Engine, name: str):
        self.engine, self.spans = engine, Spans(name)
        self.version = 0
        self._live: dict[Job, _Live] = {}
        self._inbox: Inbox = SimpleQueue()
        self._out: SimpleQueue[Answer] = SimpleQueue()
        self._broken: BaseException | None = None
        self._over = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, questions: Sequence[Question]) -> None:
        """Answers to these are wanted; they come out of `collect`."""
        self._inbox.put(partial(self._begin, questions))

    def collect(self, seconds: float) -> Report:
        """What was finished since the last call; waits so long for the first one, and a moment for those that end with
        it. Raises what broke the engine."""
        answers = gathered(self._out, seconds)
        if self._broken is not None:
            raise self._broken
        return Report(tuple(answers), self.spans.take())

    def swap(self, version: int, write: Callable[[], None]) -> None:
        """Run `write`, which changes the weights, between two steps; returns when it is done."""
        done = Event()

        def now() -> None:
            with self.spans.span("weights"):
                write()
                self.engine.session.forget()
            self.version = version
            for job, live in self._live.items():
                live.versions.append((len(job.token_ids), version))
            done.set()

        self._inbox.put(now)
        done.wait()

    def close(self) -> None:
        """End the thread after the step that it is in."""
        self._inbox.put(self._stop)
        self._thread.join()

    # In the thread

    def _stop(self) -> None:
        self._over = True

    def _run(self) -> None:
        try:
            while not self._over:
                drain(self._inbox, wait=self.engine.session.idle)
                if not self.engine.session.idle:
                    begin = time.time()
                    self._finished(self.engine.session.step(PREFILL_TOKENS))
                    self.spans.add("decode", begin, time.time())
        except BaseException as error:  # noqa: B036 - whatever it is, `collect` tells it
            self._broken = error

    def _begin(self, questions: Sequence[Question]) -> None:
        begin = time.time()
        for question in questions:
            try:
                (job,) = self.engine.add([question.request])
            except InputError as error:
                self._out.put(Answer(question.key, None, fault=str(error)))
                continue
            self._live[job] = _Live(question, [(0, self.version)])
        self.spans.add("prompts", begin, time.time())

    def _finished(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            live = self._live.pop(job)
            completion = job.completion(self.engine.tokenizer)
            self._out.put(Answer(live.question.key, completion, per_token(live.versions, len(job.token_ids))))


def gathered(queue: SimpleQueue[Answer], seconds: float) -> list[Answer]:
    """Waits so long for the first answer, and a moment for those that end with it."""
    answers: list[Answer] = []
    with suppress(Empty):
        answers.append(queue.get(timeout=seconds))
        end = time.monotonic() + GATHER
        while True:
            answers.append(queue.get(timeout=max(0.0, end - time.monotonic())))
    return answers


def per_token(marks: Sequence[tuple[int, int]], tokens: int) -> tuple[int, ...]:
    """The version of every token, from (tokens written when it came, version)."""
    ends = [*(at for at, _ in marks[1:]), tokens]
    return tuple(version for (at, version), end in zip(marks, ends, strict=True) for _ in range(at, end))


class EngineProcess:
    """The actor: a model from a folder, its Writer, and its end of the weights' way."""

    def __init__(self, name: str, model: Path, stage: config.RL, recipe: config.Recipe, shared: Path):
        fleet = stage.fleet
        torch.set_num_threads(fleet.threads)
        heap.keep()
        device = guard.device_of(recipe.device)
        place = guard.Place(device, guard.dtype_of(recipe.dtype, device))
        network = convert.read(model).to(place.device, place.dtype)
        tokenizer = chat.Tokenizer.load(model, recipe.model.tokens_per_tile)
        engine = engine_of(network, tokenizer, stage, fleet.slots, place, Features(FEATURES))
        self.writer = Writer(engine, name)
        self.flat = Flat(text_of(network), place.dtype)
        self._lock = Lock()
        self.way = Files(shared) if fleet.weights == "files" else Broadcast(here(), fleet.bucket_mb)

    def about(self) -> str:
        """The sign of the weights that it takes."""
        return self.flat.sign()

    def ask(self, questions: Sequence[Question]) -> None:
        """See Writer."""
        self.writer.ask(questions)

    def collect(self, seconds: float) -> Report:
        """See Writer."""
        return self.writer.collect(seconds)

    def receive(self, call: Call, rank: int) -> Sent:
        """Take part in a transfer, beside decoding; the new weights are in use when it returns."""
        with self._lock:
            begin = time.time()
            self.way.receive(self.flat, call, rank)
            arrived = time.time()
            self.writer.swap(call.version, self.flat.write)
        return Sent(arrived - begin, self.flat.megabytes)
