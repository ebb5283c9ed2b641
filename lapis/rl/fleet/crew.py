"""The processes as the orchestrator reaches them: what to ask, what happened, new weights, and who died.

One call after another of each engine waits for what it has finished, so that everything that happens in any process
ends one and the same wait. An engine that dies is replaced, and its questions go to others; when the replacement is
there, the present weights are sent anew, which makes it one of the crew.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lapis import config
from lapis.dist import guard
from lapis.rl.fleet.dispatch import Dispatcher
from lapis.rl.fleet.engine import EngineProcess
from lapis.rl.fleet.judge import Judges, Make
from lapis.rl.fleet.messages import Answer, Call, Judgement, Question, Report, Sent
from lapis.rl.fleet.outside import OutsideProcess, served
from lapis.rl.fleet.pool import Open
from lapis.rl.fleet.trace import Span
from lapis.rl.fleet.trainer import NAME, TrainerProcess, Updated
from lapis.rl.rewards.book import Item, Judged
from lapis.rl.rollout import request
from lapis.rl.rows import Episode
from lapis.types import Completion, InputError, Request, Sample

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds that an engine waits for something to tell."""
KEPT = 100_000
"""Spans of the timeline, the newest."""
THREADS = 4
"""Calls that an actor takes at once: questions, reports, and weights beside them."""
AFTER = 15.0
"""Seconds in which a trainer's other ranks end once one has failed."""
DEATHS = 3
"""Of an engine, on average, between two steps; more end the run."""

Ref = Any
"""Of something that a process will give."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is known of questions."""

    tokens: Callable[[Request], int]
    """How many a request's prompt has."""
    book: Make
    """Gives the rewards."""


class TrainerDied(Exception):
    """The trainer's process is gone, with everything since the last checkpoint."""


@dataclass(slots=True)
class _Transfer:
    """Weights on their way."""

    version: int
    send: Ref
    receives: dict[str, Ref]


class Crew:
    """A trainer, engines and judges on the Ray that this process has joined."""

    def __init__(self, model: Path, stage: config.RL, recipe: config.Recipe, folder: Path, ask: Ask):
        self.stage, self.version, self._tokens = stage, 0, ask.tokens
        self.spans: deque[Span] = deque(maxlen=KEPT)
        self.causes: deque[Span] = deque(maxlen=KEPT)
        self.sent = Sent(0.0, 0.0)
        self._made = (model, stage, recipe)
        self._folder = folder
        self._names, self._numbers, self._deaths = count(), count(), 0
        self._dispatcher = Dispatcher(stage.fleet.slots)
        self._engines: dict[str, Any] = {}
        self._urls: dict[str, str] = {}
        self._collects: dict[Ref, str] = {}
        self._coming: dict[Ref, str] = {}
        self._transfer: _Transfer | None = None
        self._updates: list[Ref] = []
        self._judges = Judges(stage.fleet.judges, ask.book)
        self._ranks = [self._actor(TrainerProcess, n, *self._made, folder) for n in range(stage.fleet.ranks)]
        for url in ("",) * stage.fleet.engines + stage.fleet.outside:
            self._hire(url)
        self._started = False
        self._address = self._get([self._ranks[0].listen.remote()])
        self._sign = self._get([rank.begin.remote(self._address) for rank in self._ranks])
        while self._coming:
            self.wait()
        self._started = True
        self._welcome()

    def _actor(self, kind: type, *words: Any, on: str = "") -> Any:
        recipe, fleet = self._made[2], self.stage.fleet
        shares = kind is not OutsideProcess and guard.device_of(recipe.device).type == "cuda"
        gpus = 1 / (fleet.ranks + fleet.engines) if shares else 0
        place = {on: 1} if on else {}
        near = _here() if kind is TrainerProcess and not gpus else None
        made = ray.remote(num_cpus=0, num_gpus=gpus, resources=place, scheduling_strategy=near, max_concurrency=THREADS)
        return made(kind).remote(*words)

    # Engines

    def _hire(self, url: str) -> None:
        """Start an engine, or what stands for the server at a URL."""
        name, words = f"engine {next(self._names)}", (*self._made, self._folder)
        if url:
            folder = served(self._folder, self.stage.fleet, url)
            log.warning("%s: waits for a server at %s that serves %s", self.stage.name, url, folder)
            self._engines[name] = self._actor(OutsideProcess, url, name, *words)
        else:
            self._engines[name] = self._actor(EngineProcess, name, *words, on=self.stage.fleet.engines_on)
        self._urls[name] = url
        self._coming[self._engines[name].about.remote()] = name

    def _welcome(self) -> None:
        """Engines that have the present weights get questions."""
        for name in self._engines:
            if name not in self._dispatcher.loads and name not in self._coming.values():
                self._dispatcher.join(name, plain=bool(self._urls[name]))
                self._listen(name)

    def _listen(self, name: str) -> None:
        self._collects[self._engines[name].collect.remote(POLL)] = name

    def _bury(self, name: str, error: Exception) -> None:
        """An engine died: another one comes, and what it was writing goes to others."""
        gone = self._engines.pop(name, None)
        if gone is None:
            return
        ray.kill(gone)
        log.warning("%s: %s is gone, and another one comes in its place", self.stage.name, name)
        self._deaths += 1
        if self._deaths > DEATHS * (self.stage.fleet.engines + len(self.stage.fleet.outside)):
            raise InputError(f"{self.stage.name}: engines die again and again ({str(error).splitlines()[0]})")
        if name in self._dispatcher.loads:
            self._dispatcher.lost(name)
        self._hire(self._urls.pop(name))

    # What happens

    def wait(self, *others: Ref) -> list[Answer | Judgement]:
        """Hand out what waits, then wait until something happens, to `others` too, or for POLL seconds."""
        while (handed := self._dispatcher.next()) is not None:
            name, questions = handed
            self._engines[name].ask.remote(questions)
        refs = [*self._collects, *self._coming, *self._judges.refs, *self._transfer_refs(), *others]
        done, rest = ray.wait(refs, num_returns=1, timeout=0 if self._judges.ready else 2 * POLL)
        if rest:
            done = done + ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        self._arrived(done)
        answers = [answer for ref in done if ref in self._collects for answer in self._report(ref)]
        if self._transfer is not None and not self._unfinished(self._transfer):
            self._delivered(self._transfer)
        return [*answers, *self._judges.done(done)]

    def _report(self, ref: Ref) -> list[Answer]:
        name = self._collects.pop(ref)
        try:
            report: Report = ray.get(ref)
        except RayError as error:
            self._bury(name, error)
            return []
        self.spans.extend(report.spans)
        if name in self._engines:  # its death may be known from a transfer
            self._listen(name)
        return [answer for answer in report.answers if self._dispatcher.finished(name, answer.key)]

    def _arrived(self, done: Sequence[Ref]) -> None:
        """Engines that were started are there: all get the present weights once more."""
        for ref in [ref for ref in done if ref in self._coming]:
            name = self._coming.pop(ref)
            try:
                sign = ray.get(ref)
            except RayError as error:
                self._bury(name, error)
                continue
            if sign != self._sign:
                raise InputError(f"{name}: its weights have other names or shapes than the trainer's")
            if self._started:
                self._begin(self.version if self._transfer is None else self._transfer.version)

    # Weights

    def push(self, version: int) -> None:
        """Begin to send the trainer's weights of now to all engines; the caller waits for an earlier transfer first."""
        self._deaths = 0
        self._get([rank.copy.remote() for rank in self._ranks])
        self._begin(version)

    @property
    def pushing(self) -> bool:
        """Weights are on their way."""
        return self._transfer is not None

    def _begin(self, version: int) -> None:
        there = [name for name in self._engines if name not in self._coming.values()]
        call = Call(next(self._numbers), self._address, 1 + len(there), version)
        receives = {name: self._engines[name].receive.remote(call, rank) for rank, name in enumerate(there, 1)}
        self._transfer = _Transfer(version, self._ranks[0].send.remote(call), receives)

    def _transfer_refs(self) -> list[Ref]:
        return [] if self._transfer is None else self._unfinished(self._transfer)

    def _unfinished(self, transfer: _Transfer) -> list[Ref]:
        refs = [transfer.send, *transfer.receives.values()]
        return ray.wait(refs, num_returns=len(refs), timeout=0)[1]

    def _delivered(self, transfer: _Transfer) -> None:
        """All ends of a transfer are through. Where one failed, all who live begin anew."""
        self._transfer, whole = None, True
        for name, ref in transfer.receives.items():
            try:
                ray.get(ref)
            except RayActorError as error:
                self._bury(name, error)
                whole = False
            except RayError:
                whole = False
        try:
            self.sent = ray.get(transfer.send)
            self.spans.extend(self.sent.spans)
        except RayActorError as error:
            raise TrainerDied(f"{NAME}: {str(error).splitlines()[0]}") from None
        except RayError:
            whole = False
        if not whole:
            return self._begin(transfer.version)
        self.version = transfer.version
        self._welcome()

    # Questions

    def ask(self, one: Open) -> None:
        """Have the answers written that a question still lacks."""
        fields = (self.stage.max_tokens, self.stage.temperature)
        first = (self._made[2].seed << 40) + one.place * self.stage.group
        members = [member for member in range(self.stage.group) if member not in one.answers]
        asked = [Question((one.place, m), request(one.sample, *fields, first + m)) for m in members]
        self._queue(asked)

    def _queue(self, questions: Sequence[Question]) -> None:
        """Those of one prompt."""
        if questions:
            prompt = self._tokens(questions[0].request)
            self._dispatcher.add(questions, [prompt + one.request.max_tokens for one in questions])

    @property
    def waiting(self) -> int:
        """Groups that no engine has room for."""
        return len(self._dispatcher.queue)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests, when nothing else is asked. Raises InputError as an engine does."""
        alike = groupby(range(len(requests)), lambda place: replace(requests[place], seed=0))
        for _, places in alike:
            self._queue([Question((-1 - place, 0), requests[place]) for place in places])
        found: dict[int, Answer] = {}
        while len(found) < len(requests):
            found |= {-1 - one.key[0]: one for one in self.wait() if isinstance(one, Answer)}
        done = [one.completion for _, one in sorted(found.items()) if one.completion is not None]
        if len(done) < len(requests):
            raise InputError(next(one.fault for _, one in sorted(found.items()) if one.completion is None))
        return done

    def judge(self, sample: Sample, answer: Answer) -> None:
        """Have an answer judged."""
        assert answer.completion is not None
        self._judges.ask(answer.key, Item(sample, answer.completion))

    def judged(self, items: Sequence[Item]) -> list[Judged]:
        """What is said of answers, when nothing else is asked."""
        return self._judges.judge(items)

    # The trainer

    def update(self, episodes: Sequence[Episode], step: int) -> Ref:
        """Begin a step's updates; all ranks get all episodes."""
        given = ray.put(list(episodes))
        self._updates = [rank.update.remote(given, step) for rank in self._ranks]
        return self._updates[0]

    def updated(self, ref: Ref) -> Updated | None:
        """What an update gave; None while it runs. Raises TrainerDied."""
        if not ray.wait([ref], timeout=0)[0]:
            return None
        done: Updated = self._get(self._updates)
        self.spans.extend(done.spans)
        return done

    def save(self, step: int, facts: dict[str, Any]) -> None:
        """A checkpoint of the trainer and of these facts."""
        self.spans.extend(self._get([rank.save.remote(step, facts) for rank in self._ranks]))

    def resume(self) -> dict[str, Any] | None:
        """The newest checkpoint's facts, once the trainer has it."""
        facts: dict[str, Any] | None = self._get([rank.resume.remote() for rank in self._ranks])
        return facts

    def export(self) -> None:
        """Write the model."""
        self._get([rank.export.remote() for rank in self._ranks])

    def _get(self, refs: list[Ref]) -> Any:
        """What the first rank gave, when all are done. Raises TrainerDied, and what went wrong in a rank.

        Where one rank is gone the others fail in what they do together, and may tell so before its death is known.
        """
        try:
            return ray.get(refs)[0]
        except RayError as error:
            ray.wait(refs, num_returns=len(refs), timeout=AFTER)
            for fault in filter(None, (error, *map(_fault, refs))):
                if isinstance(fault, RayActorError):
                    raise TrainerDied(f"{NAME}: {str(fault).splitlines()[0]}") from None
            raise getattr(error, "cause", error) from None

    def dismiss(self) -> None:
        """End all processes."""
        for actor in (*self._ranks, *self._engines.values()):
            ray.kill(actor)
        self._judges.dismiss()


def _here() -> NodeAffinitySchedulingStrategy:
    """Where this process is: Ray puts what asks for nothing anywhere, and checkpoints are to lie here."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _fault(ref: Ref) -> RayError | None:
    """What a call ended with, where it ended badly."""
    try:
        ray.get(ref, timeout=0)
    except GetTimeoutError:
        return None
    except RayError as error:
        return error
    return None
