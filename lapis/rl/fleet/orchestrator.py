"""The algorithm: ask, judge as answers come, train on whole groups, send the weights, and do all of it at once.

What "at once" means is the pool's: with a lead of 0 nothing may be asked while a step trains, and the loop is the
synchronous one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lapis.rl import loop
from lapis.rl.fleet import told
from lapis.rl.fleet.crew import Crew
from lapis.rl.fleet.judge import Judged
from lapis.rl.fleet.pool import Pool, Step
from lapis.rl.fleet.trace import Span
from lapis.rl.policy import Result, plain
from lapis.train.metrics import Metrics
from lapis.types import InputError, Progress

log = logging.getLogger(__name__)
Json = dict[str, Any]


class Orchestrator:
    """A pool of questions and a crew that answers, judges and trains."""

    def __init__(self, pool: Pool, crew: Crew, folder: Path, progress: Progress):
        self.pool, self.crew, self.folder, self.progress = pool, crew, folder, progress
        self.stage = pool.stage
        self.watch = told.Watch(self.stage, folder)
        self.broken, self.saved = 0, -1

    def train(self, measured: Callable[[], Json]) -> tuple[Json, Json]:
        """All steps that are not yet done. Returns the figures before the first step and the run's totals."""
        start, facts = self.resume()
        self.progress.advance(start, "rl")
        if not facts:
            facts = {"before": measured(), "tokens": 0, "image_tokens": 0, "loss": 0.0}
            self.save(0, facts)
        with Metrics(self.folder, start) as metrics:
            for number in range(start, self.stage.steps):
                begun = time.time()
                step = self.collect()
                result = self.update(step, number)
                line: Json = {"step": number + 1, **plain(result), **told.facts(step, number, self.crew)}
                line["seconds"] = round(time.time() - begun, 4)
                metrics.write(line)
                facts |= {name: facts[name] + line[key] for name, key in (("tokens", "seen"), ("image_tokens",) * 2)}
                facts["loss"] = line["loss"]
                fault = self.watch.check(line, step)
                if fault or (number + 1) % self.stage.checkpoint_every == 0 or number + 1 == self.stage.steps:
                    self.save(number + 1, facts)
                if fault:
                    raise InputError(f"{self.stage.name}: {fault}")
                self.progress.advance(1, f"reward {line['reward']:.2f}")
        return facts.pop("before"), {name: facts[name] for name in ("tokens", "image_tokens", "loss")}

    def collect(self) -> Step:
        """Wait until the next step's groups are complete."""
        while not self.pool.ready:
            self.once()
        return self.pool.take()

    def update(self, step: Step, number: int) -> Result | None:
        """Train on a step's groups, while answers for later steps go on, and begin to send the weights."""
        result = None
        if step.kept:
            ref = self.crew.update(loop.episodes(step.scored), number)
            while (done := self.crew.updated(ref)) is None:
                self.once(ref)
            result = done.result
            if done.fault:
                self.fault(done.fault)
        while self.crew.pushing:
            self.once()
        self.crew.push(number + 1)
        return result

    def once(self, *others: object) -> None:
        """Ask what may be asked, and take in whatever happens next."""
        for fresh in self.pool.ask(self.crew.version):
            self.crew.ask(fresh)
        begin, full = time.time(), not self.crew.waiting
        for event in self.crew.wait(*others):
            if isinstance(event, Judged):
                place, member = event.key
                if event.verdict is None:
                    self.pool.failed(place, event.fault)
                else:
                    self.pool.judged(place, member, event.verdict)
            elif (one := self.pool.answered(event)) is not None:
                self.crew.judge(one.sample, event)
        if full:
            self.crew.causes.append(Span("", "bound", begin, time.time()))

    def fault(self, reason: str) -> None:
        """A step whose loss was no finite number is left out. Raises InputError the second time."""
        if self.broken:
            raise InputError(f"{self.stage.name}: {reason}, for the second time; lower its learning rate")
        self.broken += 1
        log.warning("%s: %s; this step's answers are left out", self.stage.name, reason)

    def save(self, step: int, facts: Json) -> None:
        """Everything that the next step depends on."""
        self.crew.save(step, {**facts, "broken": self.broken, "pool": self.pool.state()})
        self.saved = step
        self.watch.write(self.crew)

    def resume(self) -> tuple[int, Json]:
        """The newest checkpoint; step 0 and no facts without one. What was in flight is asked or judged again."""
        facts = self.crew.resume()
        if facts is None:
            return 0, {}
        self.broken = facts["broken"]
        self.pool.restore(facts["pool"])
        self.crew.push(facts["step"])
        while self.crew.pushing:
            self.crew.wait()
        for one in self.pool.open.values():
            self.crew.ask(one)
            for member in one.answers.keys() - one.verdicts.keys():
                self.crew.judge(one.sample, one.answers[member])
        return facts["step"], {name: facts[name] for name in ("before", "tokens", "image_tokens", "loss")}
