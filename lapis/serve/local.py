"""The torch engine as a server's backend: one session that steps in a thread while anybody is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from lapis import chat
from lapis.serve.backend import Delta, Full, Load
from lapis.serve.engine import Engine, Text, encode_images
from lapis.serve.session import Job, Prompt, Session
from lapis.types import Image, Request


@dataclass(eq=False, slots=True)
class _Answer:
    job: Job
    writer: Text
    written: str = ""
    seen: int = 0
    deltas: asyncio.Queue[Delta] = field(default_factory=asyncio.Queue)


class Local:
    """An engine of this process. `queue` requests may wait for one of its slots."""

    def __init__(self, engine: Engine, queue: int = 64, model: str = "lapis"):
        self.model, self.length = model, engine.length
        self._engine, self._queue = engine, queue
        self._session, self._prompts = Session(engine), dict[tuple[object, ...], Prompt]()
        self._answers: list[_Answer] = []
        self._pump: asyncio.Task[None] | None = None
        self._prompt = self._written = self._images = 0

    async def submit(self, request: Request) -> AsyncIterator[Delta]:
        """The request's deltas as they come; see Backend."""
        job = self._engine._job(request, self._prompts)
        if len(self._answers) >= self._engine.slots + self._queue:
            raise Full
        answer = _Answer(job, Text(self._engine.tokenizer, self._engine.marks))
        self._session.add(job)
        self._answers.append(answer)
        self._prompt += len(job.prompt.ids)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._steps())
        try:
            while True:
                delta = await answer.deltas.get()
                yield delta
                if delta.completion is not None:
                    return
        finally:
            job.finish = job.finish or "cancelled"
            if answer in self._answers:
                self._answers.remove(answer)

    async def _steps(self) -> None:
        while not self._session.idle:
            await asyncio.to_thread(self._session.step)
            for answer in list(self._answers):
                self._tell(answer)
        self._prompts.clear()

    def _tell(self, answer: _Answer) -> None:
        fresh = len(answer.job.token_ids) - answer.seen
        if not fresh:
            return
        answer.seen += fresh
        self._written += fresh
        piece = answer.writer.add(answer.job.token_ids)
        if answer.job.finish:
            piece += answer.writer.rest()
        before, answer.written = answer.written, answer.written + piece
        thought, text = (new[len(old) :] for new, old in zip(_parts(answer.written), _parts(before), strict=True))
        done = answer.job.completion(self._engine.tokenizer) if answer.job.finish else None
        answer.deltas.put_nowait(Delta(thought, text, fresh, done))

    async def prepare(self, image: Image) -> int:
        """Encode an image ahead; see Backend."""
        tiles = self._engine._tiles(image)
        await asyncio.to_thread(encode_images, self._engine._whole(), [image])
        self._images += 1
        return tiles

    def load(self) -> Load:
        live = min(len(self._answers), self._engine.slots)
        share = live / self._engine.slots
        return Load(live, len(self._answers) - live, share, self._prompt, 0, self._written, self._images)

    async def close(self, grace: float) -> None:
        """Let what runs finish for `grace` seconds, then cancel the rest."""
        if self._pump is not None:
            await asyncio.wait({self._pump}, timeout=grace)
        for answer in self._answers:
            answer.job.finish = answer.job.finish or "cancelled"
            answer.deltas.put_nowait(Delta(completion=answer.job.completion(self._engine.tokenizer)))


def _parts(written: str) -> tuple[str, str]:
    """(thought, answer) of what was written so far."""
    if not written.startswith(chat.THINK):
        return "", written
    thought, _, text = written.removeprefix(chat.THINK).partition(chat.UNTHINK)
    return thought, text
