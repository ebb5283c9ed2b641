"""The torch engine behind an event loop: one thread runs the session's steps, the loop submits, streams and cancels.

What is unusual: an image is encoded a few tiles at a time between two steps, so that live streams go on while a large
one is looked at; and it may be encoded before anything is asked about it (`prepare`). What the loop does to a request
reaches the thread as a function that runs there between two steps, so nothing of the engine is ever locked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread

import torch

from lapis.serve.backend import Delta, Full, Load
from lapis.serve.engine import Engine
from lapis.serve.errors import Released
from lapis.serve.inbox import Inbox, drain
from lapis.serve.job import Job, Reader
from lapis.types import Image, Request

QUEUE = 64
"""Requests that may wait beside those that fill the engine's slots."""


@dataclass(eq=False, slots=True)
class _Ticket:
    """A request as the loop sees it: what comes back, and whether it is still wanted."""

    request: Request
    loop: asyncio.AbstractEventLoop
    out: asyncio.Queue[Delta | Exception] = field(default_factory=asyncio.Queue)
    job: Job | None = None
    reader: Reader | None = None
    cancelled: bool = False


@dataclass(eq=False, slots=True)
class _Look:
    """Images to encode, and what is to happen then."""

    images: Sequence[Image]
    done: Callable[[list[torch.Tensor]], None]
    failed: Callable[[Exception], None]


class Local:
    """A Backend (serve/backend.py) over an engine, which nobody else may use while it lives.

    At most the engine's slots and `queue` requests are there at once; one more is refused with Full. Raises
    MemoryFault where the engine's cache cannot be made.
    """

    def __init__(self, engine: Engine, model: str, queue: int = QUEUE):
        self.model, self.length = model, engine.length
        self._engine, self._most = engine, engine.slots + queue
        self._open: set[_Ticket] = set()
        self._live: dict[Job, _Ticket] = {}
        self._looks: deque[Iterator[None]] = deque()
        self._images = 0
        self._inbox: Inbox = SimpleQueue()
        self._closed = self._over = False
        engine.cache  # noqa: B018 - made now, so that a want of memory is told at the start
        self._thread = Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    # On the event loop

    async def submit(self, request: Request) -> AsyncIterator[Delta]:
        """The request's deltas; see Backend.submit. Raises Released after `close`."""
        if self._closed:
            raise Released("engine: closed, it takes no more requests")
        if len(self._open) >= self._most:
            raise Full(f"{len(self._open)} requests are there already")
        ticket = _Ticket(request, asyncio.get_running_loop())
        self._open.add(ticket)
        try:
            self._inbox.put(lambda: self._accept(ticket))
            while True:
                delta = await ticket.out.get()
                if isinstance(delta, Exception):
                    raise delta
                yield delta
                if delta.completion:
                    return
        finally:
            self._open.discard(ticket)
            ticket.cancelled = True
            self._inbox.put(lambda: self._cancel(ticket))

    async def prepare(self, image: Image) -> int:
        """Encode an image; returns its tiles. Raises InputError for a broken one."""
        if self._closed:
            raise Released("engine: closed, it takes no more images")
        tiles = self._engine.tiles(image)
        loop = asyncio.get_running_loop()
        found: asyncio.Future[None] = loop.create_future()

        def tell(error: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_settle, found, error)

        look = _Look([image], lambda features: tell(None), tell)
        self._inbox.put(lambda: self._looks.append(self._look(look)))
        await found
        return tiles

    def load(self) -> Load:
        session, totals = self._engine.session, self._engine.session.totals
        live = len(session.live)
        return Load(
            live=live,
            waiting=max(0, len(self._open) - live),
            cache_used=session.memory.used / session.memory.tokens,
            prompt_tokens=totals.prompt_tokens,
            shared_tokens=totals.shared_tokens,
            written_tokens=totals.written_tokens,
            images=self._images,
        )

    async def close(self, grace: float) -> None:
        """Take nothing more, let what runs finish for `grace` seconds, then cancel the rest."""
        self._closed = True
        left = asyncio.get_running_loop().time() + grace
        while self._open and asyncio.get_running_loop().time() < left:
            await asyncio.sleep(min(0.02, grace))
        self._inbox.put(self._stop)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # In the thread

    def _run(self) -> None:
        while not self._over:
            idle = self._engine.session.idle and not self._looks
            drain(self._inbox, wait=idle)
            if self._looks:
                self._one_look()
            if not self._engine.session.idle:
                self._step()

    def _step(self) -> None:
        session = self._engine.session
        try:
            gone = session.step(self._engine.chunk)
        except Exception as error:  # a fault of ours: nobody may wait for ever
            session.clear()
            for ticket in self._live.values():
                self._send(ticket, error)
            self._live.clear()
            return
        for job, ticket in list(self._live.items()):
            self._tell(job, ticket)
        for job in gone:
            self._live.pop(job, None)

    def _tell(self, job: Job, ticket: _Ticket) -> None:
        assert ticket.reader is not None
        thought, text, tokens = ticket.reader.read()
        whole = job.completion(self._engine.tokenizer) if job.finish else None
        if tokens or whole:
            self._send(ticket, Delta(thought, text, tokens, whole))

    def _send(self, ticket: _Ticket, what: Delta | Exception) -> None:
        if ticket.cancelled:
            return
        try:
            ticket.loop.call_soon_threadsafe(ticket.out.put_nowait, what)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._cancel(ticket)

    def _accept(self, ticket: _Ticket) -> None:
        """Check the request, then have its images looked at, then let it into the session."""
        if ticket.cancelled:
            return
        try:
            job = self._engine.job(ticket.request)
        except Exception as error:
            self._send(ticket, error)
            return
        if not job.prompt.images:
            self._enter(ticket, job)
            return
        look = _Look(
            job.prompt.images,
            lambda features: self._seen(ticket, job, features),
            lambda error: self._send(ticket, error),
        )
        self._looks.append(self._look(look))

    def _seen(self, ticket: _Ticket, job: Job, features: list[torch.Tensor]) -> None:
        job.prompt.features_VD = torch.cat(features)
        self._enter(ticket, job)

    def _enter(self, ticket: _Ticket, job: Job) -> None:
        if not ticket.cancelled:
            ticket.job, ticket.reader = job, Reader(job)
            self._live[job] = ticket
            self._engine.session.add(job)

    def _cancel(self, ticket: _Ticket) -> None:
        if ticket.job is not None and not ticket.job.finish:
            self._engine.session.cancel(ticket.job)
            self._live.pop(ticket.job, None)

    def _one_look(self) -> None:
        """A few tiles of the image that has waited longest."""
        look = self._looks[0]
        if next(look, self) is self:
            self._looks.remove(look)

    def _look(self, look: _Look) -> Iterator[None]:
        """Encode images, a pause behind every few tiles."""
        kept, found = self._engine.features, list[torch.Tensor]()
        try:
            for image in look.images:
                if image.data not in kept:
                    parts = []
                    for part in self._engine.encode(image):
                        parts.append(part)
                        yield
                    found.append(torch.cat(parts))
                    kept[image.data] = found[-1]
                    self._images += 1
                else:
                    found.append(kept[image.data])
        except Exception as error:
            look.failed(error)
            return
        look.done(found)

    def _stop(self) -> None:
        """Every request that is still there ends as cancelled."""
        self._over = True
        for job, ticket in self._live.items():
            self._engine.session.cancel(job)
            self._tell(job, ticket)
        self._live.clear()
        self._engine.session.clear()
        self._engine.forget()
        for ticket in tuple(self._open):
            if ticket.job is None:
                self._send(ticket, Released("engine: closed before the request began"))


def _settle(found: asyncio.Future[None], error: Exception | None) -> None:
    if found.done():
        return
    if error is None:
        found.set_result(None)
    else:
        found.set_exception(error)
