"""The algorithm: ask, judge as answers come, train on whole groups, send the weights, and do all of it at once.

What "at once" means is the pool's: with a lead of 0 nothing may be asked while a step trains, and the loop is the
synchronous one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lapis.rl import loop
from lapis.rl.fleet import saved, told
from lapis.rl.fleet.crew import Crew
from lapis.rl.fleet.messages import Judgement
from lapis.rl.fleet.pool import Pool, Step
from lapis.rl.fleet.trace import Span
from lapis.rl.fleet.trainer import Updated
from lapis.rl.policy import plain
from lapis.train.metrics import Metrics
from lapis.types import InputError, Progress

Json = dict[str, Any]


class Orchestrator:
    """A pool of questions and a crew that answers, judges and trains."""

    def __init__(self, pool: Pool, crew: Crew, watch: told.Watch, progress: Progress):
        self.pool, self.crew, self.watch, self.progress = pool, crew, watch, progress
        self.stage, self.saved = pool.stage, -1

    def train(self, measured: Callable[[], Json]) -> Json:
        """All steps that are not yet done. Returns the run's facts, with the figures before its first step."""
        start, facts = saved.resume(self.crew, self.pool)
        self.progress.advance(start, "rl")
        if not facts:
            facts = saved.fresh(measured())
            self.save(0, facts)
        with Metrics(self.watch.folder, start) as metrics:
            for number in range(start, self.stage.steps):
                begun = time.time()
                step = self.collect()
                done = self.update(step, number)
                line = {"step": number + 1, **plain(done.result), **told.facts(step, number, self.crew)}
                metrics.write({**line, "seconds": round(time.time() - begun, 4)})
                saved.add(facts, line)
                fault = self.watch.check(line, step) or self.watch.broken(done.fault, number + 1, facts)
                if fault or (number + 1) % self.stage.checkpoint_every == 0 or number + 1 == self.stage.steps:
                    self.save(number + 1, facts)
                if fault:
                    raise InputError(f"{self.stage.name}: {fault}")
                self.progress.advance(1, f"reward {line['reward']:.2f}")
        return facts

    def collect(self) -> Step:
        """Wait until the next step's groups are complete."""
        while not self.pool.ready:
            self.once()
        return self.pool.take()

    def update(self, step: Step, number: int) -> Updated:
        """Train on a step's groups, while answers for later steps go on, and begin to send the weights."""
        done = Updated(None, "", ())
        if step.kept:
            ref = self.crew.update(loop.episodes(step.scored, self.stage.rewards.weights), number)
            while (found := self.crew.updated(ref)) is None:
                self.once(ref)
            done = found
        while self.crew.pushing:
            self.once()
        self.crew.push(number + 1)
        return done

    def once(self, *others: object) -> None:
        """Ask what may be asked, and take in whatever happens next."""
        for fresh in self.pool.ask(self.crew.version):
            self.crew.ask(fresh)
        begin, nothing = time.time(), not self.crew.waiting
        for event in self.crew.wait(*others):
            if isinstance(event, Judgement):
                self.pool.judge(event)
            elif (one := self.pool.answered(event)) is not None:
                self.crew.judge(one.sample, event)
        if nothing:
            self.crew.causes.append(Span("", "bound", begin, time.time()))

    def save(self, step: int, facts: Json) -> None:
        """A checkpoint, and the timeline so far."""
        saved.save(self.crew, self.pool, step, facts)
        self.saved = step
        self.watch.write(self.crew)
