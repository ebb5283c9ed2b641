"""Evaluation beside training: snapshots of the weights for a process of low priority; training never waits for it.

A snapshot is a copy that is taken between two steps. One thread writes it as a model, hands it over, waits for the
scores and appends them to `online.jsonl`; one more snapshot may wait meanwhile, and a newer one takes its place.
Unusual: the other process writes nothing and knows of one folder only, so that whatever happens to it, or to the
trainer, leaves nothing to be tidied: the trainer alone keeps the curve, and cuts it to its checkpoint like the metrics.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import torch
from torch import Tensor

from lapis import chat, config, files
from lapis.export import hf
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.train import metrics
from lapis.train.step import Trainer, unwrap, wrap
from lapis.types import Progress

log = logging.getLogger(__name__)

NAME = "online.jsonl"
COMMAND = (sys.executable, "-m", "lapis.eval.online")
"""Named and not imported: evaluation stands above training."""
HOME = Path(__file__).parents[2]
"""Where the other process finds the same lapis."""

BEAT = 0.2
"""Seconds between looks at whether a stage that waits was told to stop."""

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Questions:
    """What snapshots are asked, and what it takes to write one."""

    plan: config.Online
    heldout: Path
    max_tokens: int
    """Of an answer."""
    tokenizer: chat.Tokenizer


class Ended(Exception):
    """The evaluating process is no more, or said that it cannot."""


class Online:
    """A context manager around an attempt of a stage; `done` are the steps that count already.

    Every process calls it alike, since weights may have to be gathered; the first one owns the evaluation.
    """

    def __init__(self, questions: Questions | None, folder: Path, trainer: Trainer, done: int):
        self.questions = questions if questions and questions.plan.tasks else None
        self.path, self.folder, self.trainer, self.done = folder / NAME, folder / "online", trainer, done
        self.first = trainer.mesh.first and self.questions is not None
        self.change = Condition()
        self.waiting: tuple[int, Weights] | None = None
        self.busy = self.closed = self.over = False
        self.child: subprocess.Popen[str] | None = None
        self.thread = Thread(target=self._work, name="online", daemon=True)

    def __enter__(self) -> Online:
        if self.trainer.mesh.first:
            metrics.cut(self.path, self.done)
        if self.first:
            self.thread.start()
        due = self.questions is not None and self.done > 0 and self.done % self.questions.plan.every == 0
        if due and self.trainer.mesh.once(self._misses):
            self._take(self.done)
        return self

    def __exit__(self, *error: object) -> None:
        if not self.first:
            return
        with self.change:
            self.closed, self.waiting = True, None
            self.change.notify_all()
            if self.child is not None:
                self.child.kill()
        self.thread.join()
        if self.child is not None:
            with suppress(OSError), self.child:  # an order that it never read cannot be flushed any more
                self.child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _misses(self) -> bool:
        """Whether the checkpoint's own step was not measured before the start that wrote it ended."""
        return all(line["step"] != self.done for line in files.lines(self.path))

    def after(self, step: int, last: bool) -> None:
        """After a step has changed the weights: a snapshot where one is due."""
        if self.questions and (last or step % self.questions.plan.every == 0):
            self._take(step)

    def _take(self, step: int) -> None:
        weights = whole(self.trainer)
        if self.first:
            with self.change:
                self.waiting = None if self.over else (step, weights)
                self.change.notify_all()

    def finish(self, progress: Progress, stopped: Callable[[], bool]) -> None:
        """Give the last snapshot the time that the plan says; what takes longer is dropped, with a line in the log.

        Ends at once where the stage is told to stop meanwhile.
        """
        if not self.first or self.idle:
            return
        assert self.questions is not None
        progress.advance(0, "waiting for the evaluation beside training")
        limit = self.questions.plan.wait
        end = time.monotonic() + limit
        with self.change:
            while not self.idle and not stopped() and time.monotonic() < end:
                self.change.wait(BEAT)
        if not self.idle:
            stage = self.trainer.stage.name
            log.warning("%s: the last evaluation beside training is dropped, it took over %g s", stage, limit)

    @property
    def idle(self) -> bool:
        """Whether nothing is being measured or waits for it."""
        return self.over or not (self.busy or self.waiting)

    def _work(self) -> None:
        """The thread: a snapshot after the other. Whatever fails is told once and ends it."""
        try:
            while (snapshot := self._next()) is not None:
                began = time.perf_counter()
                found = self._measured(snapshot[1])
                seconds = round(time.perf_counter() - began, 3)
                files.append(self.path, *({"step": snapshot[0], **line, "seconds": seconds} for line in found))
        except Exception as error:  # training goes on, whatever it is
            if not self.closed:
                stage = self.trainer.stage.name
                log.warning("%s: no more evaluation beside training (%s); training goes on", stage, error)
        finally:
            with self.change:
                self.over, self.waiting = True, None
                self.change.notify_all()

    def _next(self) -> tuple[int, Weights] | None:
        """The snapshot to measure, once there is one; None at the end."""
        with self.change:
            self.busy = False
            self.change.notify_all()
            self.change.wait_for(lambda: self.closed or self.waiting is not None)
            snapshot, self.waiting = self.waiting, None
            self.busy = snapshot is not None
            return snapshot

    def _measured(self, weights: Weights) -> list[dict[str, Any]]:
        """Scores of a snapshot. Raises Ended."""
        assert self.questions is not None
        hf.write(_module(self.trainer, weights), self.questions.tokenizer, self.folder / "model")
        order = {
            "model": str((self.folder / "model").resolve()),
            "heldout": str(self.questions.heldout.resolve()),
            "tasks": self.questions.plan.tasks,
            "samples": self.questions.plan.samples,
            "max_tokens": self.questions.max_tokens,
            "tiles": self.questions.tokenizer.tokens_per_tile,
        }
        reply = self._asked(json.dumps(order) + "\n")
        if "error" in reply:
            raise Ended(reply["error"])
        found: list[dict[str, Any]] = reply["scores"]
        return found

    def _asked(self, order: str) -> dict[str, Any]:
        child = self._process()
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(order)
            child.stdin.flush()
        except BrokenPipeError:
            pass  # its end is told below
        line = child.stdout.readline()
        if not line:
            said = (self.folder / "errors.txt").read_text(encoding="utf-8", errors="replace").split("\n")
            raise Ended(f"its process ended with code {child.wait()}{': '.join(['', *said[-2:-1]])}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _process(self) -> subprocess.Popen[str]:
        """The evaluating process, begun with the first snapshot."""
        with self.change:
            if self.closed:
                raise Ended("the stage is over")
            if self.child is None:
                pipe = subprocess.PIPE
                with (self.folder / "errors.txt").open("w", encoding="utf-8") as errors:
                    self.child = subprocess.Popen(COMMAND, cwd=HOME, stdin=pipe, stdout=pipe, stderr=errors, text=True)
            return self.child


def whole(trainer: Trainer) -> Weights:
    """A copy of all weights on the CPU; of several processes the first one's alone holds any."""
    return {name: tensor.detach().clone() for name, tensor in trainer.engine.weights() if trainer.mesh.first}


def _module(trainer: Trainer, weights: Weights) -> Lapis | Decoder:
    """A module of the trained one's shape with other weights."""
    trained = unwrap(trainer.network)
    with torch.device("meta"):
        module = Lapis(trained.config) if isinstance(trained, Lapis) else Decoder(trained.config)
    wrap(module).load_state_dict(weights, assign=True)
    return module
