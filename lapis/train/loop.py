"""The loop of a training stage: batches in, metrics, held-out losses and checkpoints out.

Unusual: recovery is resuming. A step with a number that is none ends the attempt, and the next one builds the trainer
anew, reads the last checkpoint and leaves that batch out: the same path as after a kill. What the loop needs comes in
as values (`Job`), so that a test, and later a rank of many, runs the very same code.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from lapis import config
from lapis.dist import checkpoint
from lapis.dist.checkpoint import Saver
from lapis.dist.guard import WINDOW, Fault, Skips, Stop
from lapis.dist.speed import product
from lapis.train import optim
from lapis.train.alarms import Told
from lapis.train.ledger import NAME, Ledger, account, read
from lapis.train.metrics import Metrics, last_loss, line_of, recent
from lapis.train.online import Online, Questions
from lapis.train.step import Trainer
from lapis.types import Batch, Progress

log = logging.getLogger(__name__)


class Batches(Protocol):
    """A pure function from step to batch (lapis.data.loader.Loader)."""

    @property
    def steps(self) -> int: ...

    def iterate(self, start: int = 0) -> Iterator[Batch]: ...

    def position(self, step: int) -> dict[str, float]: ...


class Judge(Protocol):
    """Held-out losses (lapis.train.heldout.HeldOut)."""

    def losses(self, trainer: Trainer) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a stage's loop needs."""

    stage: config.Train
    folder: Path
    """The stage's own folder."""
    build: Callable[[], Trainer]
    """A trainer with the weights that the stage starts from; called again for each attempt."""
    batches: Batches
    heldout: Judge
    progress: Progress
    questions: Questions | None = None
    """For the evaluation beside training; None has none."""


@dataclass(slots=True)
class Tally:
    """How far a stage is; kept in its checkpoints."""

    step: int = 0
    tokens: int = 0
    tiles: int = 0
    seconds: float = 0.0
    """Wall time of the steps that count, over all starts."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A trainer at its last step and the stage's summary (`done.json`)."""

    trainer: Trainer
    summary: dict[str, Any]


class _Bar:
    """Tells the progress of new steps only: those of an earlier start come with the first call, redone ones never."""

    def __init__(self, progress: Progress):
        self.progress, self.seen = progress, 0

    def reach(self, step: int, note: str = "") -> None:
        if step > self.seen:
            self.progress.advance(step - self.seen, note)
            self.seen = step


def train(job: Job) -> Finished:
    """Run or resume a stage to its end. Raises InputError for a full disk or numbers that stay broken."""
    skips, bar = Skips(job.stage.name), _Bar(job.progress)
    while True:
        trainer = job.build()
        try:
            return _attempt(job, trainer, skips, bar)
        except Fault as fault:
            trainer.engine.close()
            del trainer
            skips.add(fault)


def seed_of(recipe: config.Recipe, stage: str) -> int:
    """Seed of a stage's order of samples; each stage has its own, so that none repeats another's first steps."""
    return zlib.crc32(f"{recipe.seed} {stage}".encode())


def _attempt(job: Job, trainer: Trainer, skips: Skips, bar: _Bar) -> Finished:
    ledger = Ledger(job.folder, trainer.mesh.first)
    ledger.start()
    tally = _resume(job, trainer, skips)
    bar.reach(tally.step)
    heldout: dict[str, float] = {}
    trainer.spikes.losses.extend(recent(job.folder / "metrics.jsonl", tally.step, WINDOW))
    with (
        Stop() as stop,
        Saver(job.folder / "checkpoint", trainer.mesh) as saver,
        Metrics(job.folder, tally.step, trainer.mesh.first) as metrics,
        Online(job.questions, job.folder, trainer, tally.step) as online,
        Told(job.folder, job.stage.name, trainer.mesh.first) as told,
        closing(_batches(job, tally.step)) as batches,
    ):
        full = product(trainer.place.device, trainer.place.dtype) * trainer.mesh.world
        ledger.working()
        began = time.perf_counter()
        for batch in batches:
            line = _step(job, trainer, batch, tally, skips, began, full)
            last = tally.step == job.batches.steps
            online.after(tally.step, last)
            if last or _due(tally.step, job.stage.eval_every):
                heldout = line["heldout"] = job.heldout.losses(trainer)
            if "loss" in line:
                told.check(line)
                metrics.write(line)
            ends = trainer.mesh.any(stop.wanted)
            if last or ends or _due(tally.step, job.stage.checkpoint_every):
                ledger.saved(_save(saver, trainer, tally, skips))
            if ends and not last:
                ledger.ended()
                raise KeyboardInterrupt
            bar.reach(tally.step, f"loss {line['loss']:.3f}" if "loss" in line else "")
            began = time.perf_counter()
        online.finish(job.progress, lambda: stop.wanted)
    heldout = heldout or job.heldout.losses(trainer)
    bar.reach(job.stage.steps)
    ledger.ended()
    return Finished(trainer, _summary(job, tally, skips, heldout, trainer.mesh.first))


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


def _batches(job: Job, start: int) -> Generator[Batch, None, None]:
    yield from job.batches.iterate(start)


def _step(
    job: Job, trainer: Trainer, batch: Batch, tally: Tally, skips: Skips, began: float, full: float
) -> dict[str, Any]:
    """Train on one batch, or pass over it; returns its metrics line, without a loss where it was skipped."""
    number = tally.step
    tally.step += 1
    if number in skips.steps:
        return {"step": tally.step}
    result = trainer.step(batch, number, optim.factor(number, job.batches.steps, job.stage.optim))
    seconds = time.perf_counter() - began
    tally.tokens += result.tokens
    tally.tiles += result.tiles
    tally.seconds += seconds
    return line_of(tally.step, result, seconds, full) | {"passes": job.batches.position(tally.step)}


def _resume(job: Job, trainer: Trainer, skips: Skips) -> Tally:
    """Put the last checkpoint into the trainer, if there is one."""
    tensors = trainer.tensors()
    facts = checkpoint.load(job.folder / "checkpoint", tensors, trainer.mesh)
    if facts is None:
        return Tally()
    trainer.restored(tensors, facts["updates"])
    skips.restore(facts["skipped"])
    return Tally(**facts["tally"])


def _save(saver: Saver, trainer: Trainer, tally: Tally, skips: Skips) -> float:
    """Begin a checkpoint; returns the seconds that training waited for it."""
    began = time.perf_counter()
    facts = {"tally": asdict(tally), "updates": trainer.updates, "skipped": sorted(skips.steps)}
    saver.save(tally.step, trainer.tensors(), facts)
    return time.perf_counter() - began


def _summary(job: Job, tally: Tally, skips: Skips, heldout: dict[str, float], speaks: bool) -> dict[str, Any]:
    events = read(job.folder / NAME)
    spent = account(events, tally.seconds)
    if speaks and sum(event.what == "start" for event in events) > 1:
        log.warning("%s: %s", job.stage.name, spent.words())
    return {
        "steps": tally.step,
        "tokens": tally.tokens,
        "tiles": tally.tiles,
        "seconds": round(tally.seconds, 3),
        "loss": last_loss(job.folder / "metrics.jsonl"),
        "heldout": heldout,
        "skipped": sorted(skips.steps),
        "time": asdict(spent) | {"other": spent.other, "goodput": round(spent.goodput, 4)},
    }
