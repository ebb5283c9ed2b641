"""Many requests to one model, each once: those that the log knows are not asked again.

Two ways to ask: an endpoint over HTTP, and a generator in this process (lapis.types.Generator), such as our engine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from lapis.data.answers.log import Log
from lapis.endpoint import Endpoint
from lapis.remote import client as one
from lapis.remote import request as wire
from lapis.remote.pace import Pace
from lapis.remote.request import Reply
from lapis.types import Generator, InputError, Progress, Request, Silent

STRIKES = 8
"""Faults in a row, each after all its retries, after which an endpoint counts as gone."""
BATCH = 64
"""Requests that a generator gets at once; what a killed process asks again at most."""


@dataclass(slots=True)
class Tally:
    """What asking took. Money and tokens are those of the log, so of all starts."""

    asked: int = 0
    """Now."""
    known: int = 0
    """Found in the log."""
    refused: int = 0
    failed: int = 0
    """Without an answer; the same command asks them again."""
    left: int = 0
    """Not asked, because they could have passed what may be spent."""
    prompt: int = 0
    written: int = 0
    cost: float = 0.0

    def after(self, earlier: Tally) -> Tally:
        """Both rounds of the same log: the money and tokens of the earlier one are in this one's."""
        names = ("asked", "known", "refused", "failed", "left")
        return replace(self, **{name: getattr(self, name) + getattr(earlier, name) for name in names})


class Asker(Protocol):
    """Whoever answers requests."""

    def ask(self, requests: Sequence[Request], progress: Progress = ...) -> tuple[list[Reply | None], Tally]:
        """Answers in the order of the requests; None where there is none. Equal requests are asked once."""
        ...


@dataclass(slots=True)
class Purse:
    """What may be spent: `limit` in all, 0 for anything. What is on its way counts by its upper bound."""

    limit: float
    spent: float
    bound: float = 0.0

    def reserve(self, most: float) -> bool:
        """Whether `most` more can be afforded; it is then put aside."""
        if self.limit and self.spent + self.bound + most > self.limit:
            return False
        self.bound += most
        return True

    def settle(self, most: float, cost: float) -> None:
        """What was put aside cost so much."""
        self.bound -= most
        self.spent += cost


@dataclass(slots=True)
class ByHTTP:
    """Asks an endpoint, and keeps what it says in `log`. Several may share a log and its limit, one after the other.

    `opened` makes the client; tests give one without a network.
    """

    endpoint: Endpoint
    log: Path
    spend: float = 0.0
    opened: Callable[[Endpoint], one.Client] = field(default=one.opened)
    pace: Pace | None = field(default=None, init=False)
    """Of the last call: what it let through counts against the limits of the next."""

    def ask(self, requests: Sequence[Request], progress: Progress | None = None) -> tuple[list[Reply | None], Tally]:
        """Raises InputError where the endpoint is not there, or refuses every request."""
        keys = [wire.key(request, self.endpoint) for request in requests]
        with Log(self.log) as log:
            wanted = dict(zip(keys, requests, strict=True))
            new = {key: request for key, request in wanted.items() if key not in log.replies}
            tally, progress = Tally(known=len(wanted) - len(new)), progress or Silent()
            if tally.known:
                progress.advance(tally.known)
            if new:
                asyncio.run(_Round(self, log, tally, progress).run(new))
            return [log.replies.get(key) for key in keys], _summed(tally, log)


def _summed(tally: Tally, log: Log) -> Tally:
    tally.prompt = sum(reply.prompt for reply in log.replies.values())
    tally.written = sum(reply.written for reply in log.replies.values())
    tally.cost = log.spent
    return tally


class _Round:
    """The requests of one start on their way."""

    def __init__(self, by: ByHTTP, log: Log, tally: Tally, progress: Progress):
        self.by, self.log, self.tally, self.progress = by, log, tally, progress
        self.purse = Purse(by.spend, log.spent)
        self.strikes = self.answered = 0
        self.why = ""

    async def run(self, new: Mapping[str, Request]) -> None:
        client = self._client()
        waiting = deque(new.items())
        try:
            async with client.http, asyncio.TaskGroup() as group:
                for _ in range(min(self.by.endpoint.concurrency, len(new))):
                    group.create_task(self._work(client, waiting))
        except* InputError as errors:
            raise errors.exceptions[0] from None
        self.tally.left = len(new) - self.tally.asked - self.tally.failed
        if self.tally.failed and not self.log.replies:
            raise self._gone()

    def _client(self) -> one.Client:
        client = self.by.opened(self.by.endpoint)
        if self.by.pace is not None:
            client.pace.follow(self.by.pace)
        self.by.pace = client.pace
        return client

    async def _work(self, client: one.Client, waiting: deque[tuple[str, Request]]) -> None:
        """Requests one after the other, until there is none or no money; what is on its way may leave some for more."""
        while waiting:
            key, request = waiting[0]
            most = wire.price(wire.most_prompt(request.turns), request.max_tokens, self.by.endpoint)
            if not self.purse.reserve(most):
                return
            waiting.popleft()
            cost = 0.0
            try:
                reply = await client.ask(request)
                cost = reply.cost
                self._note(key, reply)
            except one.Unanswered as why:
                self._missed(str(why))
            finally:
                self.purse.settle(most, cost)

    def _note(self, key: str, reply: Reply) -> None:
        self.log.add(key, reply)
        self.tally.asked += 1
        self.tally.refused += bool(reply.refused)
        self.answered += not reply.refused
        self.strikes = 0
        self.progress.advance(1, f"spent {self.purse.spent:.2f}" if self.purse.limit else "")
        if not self.answered and self.tally.refused >= STRIKES:
            raise InputError(f"{self.by.endpoint.name}: refuses every request ({reply.refused})")

    def _missed(self, why: str) -> None:
        self.tally.failed += 1
        self.strikes += 1
        self.why = why
        if self.strikes >= STRIKES:
            raise self._gone()

    def _gone(self) -> InputError:
        place = f"{self.by.endpoint.name} at {self.by.endpoint.url}"
        return InputError(f"{place}: {self.why}; what was answered is kept, and the same command goes on")


@dataclass(slots=True)
class InProcess:
    """Asks a generator, in batches, and keeps what it says in `log`. `name` stands for its weights."""

    generator: Generator
    name: str
    log: Path

    def ask(self, requests: Sequence[Request], progress: Progress | None = None) -> tuple[list[Reply | None], Tally]:
        """As ByHTTP.ask."""
        place = Endpoint(name=self.name, url="in-process", model=self.name)
        keys = [wire.key(request, place) for request in requests]
        with Log(self.log) as log:
            new = [(key, one) for key, one in dict(zip(keys, requests, strict=True)).items() if key not in log.replies]
            tally, progress = Tally(asked=len(new), known=len(set(keys)) - len(new)), progress or Silent()
            if tally.known:
                progress.advance(tally.known)
            for start in range(0, len(new), BATCH):
                batch = new[start : start + BATCH]
                for (key, _), done in zip(batch, self.generator.generate([ask for _, ask in batch]), strict=True):
                    written = len(done.token_ids)
                    counts = (len(done.prompt_ids), written, done.thought_tokens, 0.0)
                    log.add(key, Reply(done.text, done.thought, done.closed, done.finish, *counts))
                progress.advance(len(batch))
            return [log.replies.get(key) for key in keys], _summed(tally, log)
