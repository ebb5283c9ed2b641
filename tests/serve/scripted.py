"""An engine that says what a script tells it, with the slots, the queue and the counts of a real one; and a server of
it on a free port of loopback, in a thread."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image as Picture

from lapis import chat
from lapis.serve import api, server
from lapis.serve.backend import Delta, Full, Load
from lapis.serve.errors import PromptTooLong
from lapis.serve.limits import Limits
from lapis.serve.remote import Remote
from lapis.serve.reply import Spelling
from lapis.types import Completion, Image, Request
from tests.serve.small import byte_tokenizer

THOUGHT = "let me see"
FOREVER = "forever"
"""A last message that is answered until somebody cancels."""
WRONG = "wrong"
"""One that the engine refuses."""
BROKEN = "broken"
"""One on which the engine breaks, with words that no client may see."""
SECRET = "the insides of the engine"
TOKENIZER = byte_tokenizer()
SPELLING = Spelling.of(TOKENIZER)


@dataclass(slots=True)
class Row:
    """An answer as a script writes it."""

    thought: str
    text: str

    @property
    def ids(self) -> list[int]:
        marks = [TOKENIZER.id(chat.THINK), *TOKENIZER.encode(self.thought), TOKENIZER.id(chat.UNTHINK)]
        return [*(marks if self.thought else []), *TOKENIZER.encode(self.text)]


class Scripted:
    """Answers the last message: backwards, or with what `says` has for it."""

    def __init__(self, slots: int = 4, queue: int = 8, length: int = 4096):
        self.model, self.length = "scripted", length
        self.slots, self.queue = asyncio.Semaphore(slots), queue
        self.says: dict[str, str] = {}
        self.requests: list[Request] = []
        self.prepared: list[Image] = []
        self.live = self.waiting = self.written = self.prompt = 0
        self.most_live = 0
        self.stopping = asyncio.Event()
        self.closed: list[float] = []

    async def submit(self, request: Request) -> AsyncIterator[Delta]:
        self.requests.append(request)
        asked = request.turns[-1].text
        if asked == WRONG:
            raise PromptTooLong("prompt: 9999 tokens, expected fewer")
        if asked == BROKEN:
            raise RuntimeError(SECRET)
        if self.waiting >= self.queue:
            raise Full
        self.waiting += 1
        try:
            await self.slots.acquire()
        finally:
            self.waiting -= 1
        self.live += 1
        self.most_live = max(self.live, self.most_live)
        try:
            async for delta in self._answer(request, asked):
                self.written += delta.tokens
                yield delta
        finally:
            self.live -= 1
            self.slots.release()

    async def _answer(self, request: Request, asked: str) -> AsyncIterator[Delta]:
        while asked == FOREVER:
            yield Delta(text="on ", tokens=3)
            await asyncio.sleep(0)
            if self.stopping.is_set():
                yield Delta(completion=self._completion(request, Row("", "on "), "cancelled"))
                return
        text = self.says.get(asked, asked[::-1])
        for mark in request.stop:
            text = text.partition(mark)[0]
        row = Row(THOUGHT if request.think and request.budget != 0 else "", text[: request.max_tokens])
        for piece in row.thought.split():
            yield Delta(thought=piece, tokens=len(piece))
            await asyncio.sleep(0)
        for start in range(0, len(row.text), 4):
            yield Delta(text=row.text[start : start + 4], tokens=len(row.text[start : start + 4]))
            await asyncio.sleep(0)
        finish = "length" if len(text) > request.max_tokens else "stop"
        yield Delta(completion=self._completion(request, row, finish))

    def _completion(self, request: Request, row: Row, finish: str) -> Completion:
        prompt = tuple(TOKENIZER.encode("".join(turn.text for turn in request.turns)))
        self.prompt += len(prompt)
        ids = (*row.ids, *([TOKENIZER.id(chat.END)] if finish == "stop" else []))
        best = tuple((token, -0.5) for token in range(20, 20 + request.top_logprobs))
        return Completion(
            text=row.text,
            thought=row.thought,
            prompt_ids=prompt,
            token_ids=ids,
            logprobs=(-0.25,) * len(ids),
            forced=(False,) * len(ids),
            thought_tokens=len(TOKENIZER.encode(row.thought)),
            finish=finish,
            closed=True,
            top_logprobs=(best,) * len(ids) if best else (),
            shared_tokens=request.seed % 3,
        )

    async def prepare(self, image: Image) -> int:
        self.prepared.append(image)
        return 3

    def load(self) -> Load:
        return Load(self.live, self.waiting, self.live / 4, self.prompt, 0, self.written, len(self.prepared))

    async def close(self, grace: float) -> None:
        self.closed.append(grace)
        try:
            async with asyncio.timeout(grace):
                while self.live or self.waiting:
                    await asyncio.sleep(0.005)
        except TimeoutError:
            self.stopping.set()


@dataclass(slots=True)
class Served:
    """A running server."""

    url: str
    backend: Any
    server: server.Server
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


@contextmanager
def serving(
    backend: Any, limits: Limits | None = None, key: str = "", remote: Remote | None = None
) -> Iterator[Served]:
    """A server of a backend in a thread, stopped at the end."""
    place = server.bound("127.0.0.1", 0)
    made = server.Server(api.create(backend, SPELLING, limits or Limits(), key, remote))
    ready: list[asyncio.AbstractEventLoop] = []
    begun = threading.Event()

    async def main() -> None:
        ready.append(asyncio.get_running_loop())
        begun.set()
        await made.serve(sockets=[place])

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert begun.wait(20)
    try:
        yield Served(server.url_of(place, "127.0.0.1"), backend, made, ready[0], thread)
    finally:
        made.force_exit = made.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def png(red: int = 10, width: int = 40, height: int = 30) -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Picture.new("RGB", (width, height), (red, 40, 90)).save(out, "PNG")
    return out.getvalue()


def data_uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()
