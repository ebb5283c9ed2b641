"""A llama-server of our own: started, asked over loopback, and gone when we are.

Unusual: it listens on a port that the system picks and takes requests with a key that only we know, so that nobody
else on the machine can ask it. On Linux the kernel ends it when the thread that started it ends, however that ends.
Answers are read by a few lines over asyncio's own streams: a small model writes thousands of tokens a second, and a
general HTTP client would take as long for a token as the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import re
import secrets
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lapis.types import InputError

Json = dict[str, Any]
LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")
START_SECONDS = 300.0
"""Most time for loading the weights."""
STOP_SECONDS = 5.0
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""
LINES = 40
"""Last lines of its log that are kept, for what is said when it ends."""
LARGEST = 1 << 24
"""Most bytes of one line of an answer."""


class Stopped(RuntimeError):
    """llama-server ended, or does not answer as it should; the message has what it said last."""


class Process:
    """A running llama-server. `start` makes one; `ask` and `stream` are its requests."""

    def __init__(self, process: asyncio.subprocess.Process, folder: tempfile.TemporaryDirectory[str], key: str):
        self._process, self._folder, self._key = process, folder, key
        self._port = 0
        self._log: deque[str] = deque(maxlen=LINES)
        self._listening = asyncio.Event()
        self._reader = asyncio.create_task(self._read_log())

    @classmethod
    async def start(cls, command: Sequence[str | Path]) -> Process:
        """Run `command` (llama-server with model and sizes) and wait until it is ready.

        Raises Stopped where it ends before that, with its own words, or takes longer than START_SECONDS.
        """
        folder = tempfile.TemporaryDirectory(prefix="lapis-llama-")
        key = secrets.token_urlsafe(24)
        path = Path(folder.name) / "key"
        path.write_text(key + "\n", encoding="utf-8")
        where = ["--host", "127.0.0.1", "--port", "0", "--api-key-file", str(path)]
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            *where,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=_end_with_parent,
        )
        made = cls(process, folder, key)
        try:
            await asyncio.wait_for(made._ready(), START_SECONDS)
        except BaseException as error:
            await made.stop()
            if isinstance(error, TimeoutError):
                raise Stopped(f"llama-server: not ready after {START_SECONDS:.0f} s ({made.last})") from None
            raise
        return made

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last(self) -> str:
        """What it said last."""
        wanted = [line for line in self._log if re.search(r"\bE\b|error|fail", line, re.IGNORECASE)]
        return (wanted or [*self._log] or ["it said nothing"])[-1].strip()

    async def stop(self) -> None:
        """End it; what it still does is lost."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._reader
        self._folder.cleanup()

    async def ask(self, path: str, body: Json | None = None) -> Json:
        """One request and its whole answer as JSON. Raises InputError for what it refuses, else Stopped."""
        async with self._sent(path, body) as answer:
            found: Json = json.loads(b"".join([part async for part in answer]))
        return found

    @asynccontextmanager
    async def stream(self, path: str, body: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of an answer as they come; raises as `ask`. Leaving the context ends the request there too."""
        async with self._sent(path, body) as answer:
            yield _events(answer)

    async def _ready(self) -> None:
        """Wait for its port, then for its model."""
        ended = asyncio.create_task(self._process.wait())
        listening = asyncio.create_task(self._listening.wait())
        try:
            await asyncio.wait({ended, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
        if not self._listening.is_set():
            await self._reader
            raise Stopped(f"llama-server: ended with code {self._process.returncode} ({self.last})")
        ended.cancel()
        await self.ask("/health")

    async def _read_log(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace")
            self._log.append(text)
            if found := LISTENING.search(text):
                self._port = int(found[1])
                self._listening.set()

    @asynccontextmanager
    async def _sent(self, path: str, body: Json | None) -> AsyncIterator[AsyncIterator[bytes]]:
        """The parts of an answer, over a connection of its own."""
        writer = None
        try:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LARGEST)
                writer.write(self._request(path, body))
                await writer.drain()
            except OSError as error:
                raise await self._broken(error) from error
            yield self._answer(reader)
        finally:
            if writer is not None:
                writer.close()

    def _request(self, path: str, body: Json | None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        head = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        head += [f"Authorization: Bearer {self._key}", "Content-Type: application/json"]
        return "\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode() + content

    async def _answer(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """The parts of an answer. Raises InputError for a status of 4xx, Stopped for what else is wrong with it."""
        try:
            status = int((await reader.readline()).split()[1])
            headers = {name.lower(): value.strip() async for name, _, value in _heads(reader)}
            length = int(headers.get(b"content-length", b"0"))
            if status != 200:
                raise _refusal(status, await reader.readexactly(length))
            if length:
                yield await reader.readexactly(length)
            while not length and (size := int((await reader.readline()).strip() or b"-", 16)):
                yield (await reader.readexactly(size + 2))[:-2]
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise await self._broken(error) from error

    async def _broken(self, error: Exception) -> Stopped:
        """The reason of a broken connection; an end of the process is known a moment later."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), 1)
        if self.alive:
            return Stopped(f"llama-server: broke off an answer ({error or type(error).__name__})")
        return Stopped(f"llama-server: ended with code {self._process.returncode} ({self.last})")


async def _heads(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bytes, bytes]]:
    while (line := await reader.readline()).strip():
        yield line.partition(b":")


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    """Server-sent events, whole, whatever chunks they came in."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield _event(line[6:])
            elif line.startswith(b"error: "):
                raise _refusal(500, line[7:])


def _event(data: bytes) -> Json:
    event: Json = json.loads(data)
    if "error" in event:
        raise _refusal(int(event["error"].get("code", 500)), data)
    return event


def _refusal(status: int, said: bytes) -> Exception:
    """What a status other than 200 means: the request's fault, or the server's."""
    try:
        message = json.loads(said)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = said.decode(errors="replace")
    return InputError(f"llama-server: {message}") if 400 <= status < 500 else Stopped(f"llama-server: {message}")


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
