"""An engine's deltas as OpenAI's answers: whole, or as the chunks of a stream."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any, cast

from lapis import chat
from lapis.serve.ask import Asked
from lapis.serve.backend import Delta
from lapis.serve.budget import token_bytes
from lapis.serve.faults import Fault, fault_of
from lapis.types import Completion

LEAST = -9999.0
"""What OpenAI tells for the log-probability of what cannot be."""
Numbered = tuple[int, Delta]
"""Which of the `n` answers, and what it wrote."""


class Spelling:
    """How an engine's tokens are written, for log-probabilities."""

    def __init__(self, content: Sequence[bytes], names: Sequence[str], unthink: int, end: int):
        """`content` has each token's bytes, `names` what is told where it has none."""
        self._content, self._names, self._unthink, self._end = content, names, unthink, end

    @classmethod
    def of(cls, tokenizer: chat.Tokenizer) -> Spelling:
        names = [tokenizer.raw.id_to_token(number) or "" for number in range(tokenizer.size)]
        return cls(token_bytes(tokenizer), names, tokenizer.id(chat.UNTHINK), tokenizer.id(chat.END))

    def told(self, completion: Completion, most: int) -> dict[str, Any]:
        """OpenAI's `logprobs` of an answer: its own tokens, without the thought and what a stop string cut off, each
        with at most so many of the likeliest in its place."""
        ids, left = completion.token_ids, len(completion.text.encode())
        start = ids.index(self._unthink) + 1 if self._unthink in ids else 0
        content: list[dict[str, Any]] = []
        for place in range(start, len(ids)):
            if ids[place] == self._end or left <= 0:
                break
            left -= len(self._content[ids[place]])
            best = completion.top_logprobs[place] if completion.top_logprobs else ()
            likeliest = [self._one(*one) for one in best[:most]]
            content.append({**self._one(ids[place], completion.logprobs[place]), "top_logprobs": likeliest})
        return {"content": content}

    def _one(self, token: int, logprob: float) -> dict[str, Any]:
        raw = self._content[token] if token < len(self._content) else b""
        text = raw.decode(errors="replace") or (self._names[token] if token < len(self._names) else "")
        return {"token": text, "logprob": max(logprob, LEAST), "bytes": list(raw)}


class Reply:
    """The answer to one chat request."""

    def __init__(self, asked: Asked, model: str, spelling: Spelling):
        self._asked, self._model, self._spelling = asked, model, spelling
        self._id, self._created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        self._done: dict[int, Completion] = {}

    async def whole(self, deltas: AsyncIterator[Numbered]) -> dict[str, Any]:
        """OpenAI's chat completion. Raises Fault where an answer was cut off by the server."""
        async for number, delta in deltas:
            self._keep(number, delta)
        choices = [self._choice(number, one) for number, one in sorted(self._finished().items())]
        return {**self._head("chat.completion"), "choices": choices, "usage": self._usage()}

    async def frames(self, deltas: AsyncIterator[Numbered]) -> AsyncIterator[bytes]:
        """Server-sent events of OpenAI's chunks; a fault on the way is the last of them."""
        try:
            for number in range(len(self._asked.requests)):
                yield self._chunk(number, {"role": "assistant", "content": ""})
            async for number, delta in deltas:
                self._keep(number, delta)
                for frame in self._pieces(number, delta):
                    yield frame
            self._finished()
            if self._asked.usage:
                yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()})
            yield b"data: [DONE]\n\n"
        except Exception as error:
            yield b"data: " + fault_of(error).data() + b"\n\n"

    def _pieces(self, number: int, delta: Delta) -> Iterator[bytes]:
        if delta.thought:
            yield self._chunk(number, {"reasoning_content": delta.thought})
        if delta.text and self._asked.tools is None:
            yield self._chunk(number, {"content": delta.text})
        if (completion := delta.completion) is not None:
            words, call = self._read(completion)
            if self._asked.tools is not None:
                yield self._chunk(number, {"tool_calls": [{"index": 0, **call}]} if call else {"content": words})
            yield self._chunk(number, {}, _finish(completion, call), self._logprobs(completion))

    def _chunk(
        self, number: int, delta: dict[str, Any], finish: str | None = None, logprobs: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        usage = {"usage": None} if self._asked.usage else {}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _choice(self, number: int, completion: Completion) -> dict[str, Any]:
        words, call = self._read(completion)
        message = {
            "role": "assistant",
            "content": words,
            **({"reasoning_content": completion.thought} if completion.thought else {}),
            **({"tool_calls": [call]} if call else {}),
        }
        logprobs = self._logprobs(completion)
        return {"index": number, "message": message, "logprobs": logprobs, "finish_reason": _finish(completion, call)}

    def _read(self, completion: Completion) -> tuple[str | None, dict[str, Any] | None]:
        return self._asked.tools.read(completion.text) if self._asked.tools else (completion.text, None)

    def _logprobs(self, completion: Completion) -> dict[str, Any] | None:
        most = self._asked.logprobs
        return None if most is None else self._spelling.told(completion, most)

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _keep(self, number: int, delta: Delta) -> None:
        if delta.completion is not None:
            if delta.completion.finish == "cancelled":
                raise Fault(503, "the server is stopping, and cut this answer off")
            self._done[number] = delta.completion

    def _finished(self) -> dict[int, Completion]:
        if len(self._done) < len(self._asked.requests):
            raise Fault(500, "the engine ended before its answer")
        return self._done

    def _usage(self) -> dict[str, Any]:
        completions = self._done.values()
        prompt = max(len(one.prompt_ids) for one in completions)
        written = sum(len(one.token_ids) for one in completions)
        thought = sum(one.thought_tokens for one in completions)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": min(one.shared_tokens for one in completions)},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }


def _finish(completion: Completion, call: dict[str, Any] | None) -> str:
    return "tool_calls" if call else "length" if completion.finish == "length" else "stop"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n\n"


async def merged(streams: Sequence[AsyncIterator[Delta]]) -> AsyncGenerator[Numbered, None]:
    """Deltas of several answers as they come. Closing it, or an error of one, closes them all."""
    coming: dict[asyncio.Future[Delta], int] = {}

    def ask(number: int) -> None:
        coming[asyncio.ensure_future(cast(Any, anext(streams[number])))] = number

    try:
        for number in range(len(streams)):
            ask(number)
        while coming:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                number = coming.pop(future)
                if isinstance(future.exception(), StopAsyncIteration):
                    continue
                delta = future.result()
                ask(number)
                yield number, delta
    finally:
        for future in coming:
            future.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        for stream in streams:
            await close(stream)


async def close(stream: AsyncIterator[Any]) -> None:
    """Close a stream that is a generator, as engines' are."""
    await cast(AsyncGenerator[Any, None], stream).aclose()
