"""Judgements by a model that is asked in words: sent, read strictly, asked again where the reply is none, and kept.

Any model will do: one behind an endpoint (`Server`, over the client of lapis/remote) or a Generator of this process
(`Local`). Temperature is 0 at the first try and 1 afterwards, with another seed, so that asking again can bring another
reply.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from lapis import files, reward_config
from lapis.endpoint import Endpoint
from lapis.remote.client import Client, Unanswered, opened
from lapis.rl.rewards.book import Failed
from lapis.types import Generator, Image, InputError, Request, Text, Turn

T = TypeVar("T")
FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.S)
"""A reply that is one fenced block and nothing else."""
LONGEST = 20_000
"""Characters of a reply that are read at all."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a model that judges."""

    system: str
    user: str
    images: tuple[Image, ...] = ()
    attempt: int = 0

    def key(self, name: str) -> str:
        """SHA-256 over everything that the reply depends on; `name` is the model's and the prompt's."""
        digest = hashlib.sha256(json.dumps([name, self.system, self.user]).encode())
        for image in self.images:
            digest.update(image.data)
        return digest.hexdigest()


class Model(Protocol):
    """Replies to questions, in order; a `Failed`, which is not asked again, where there is none."""

    def __call__(self, asks: Sequence[Ask]) -> Sequence[str | Failed]: ...


class Server:
    """A model behind an endpoint, asked with the endpoint's pace, retries and key.

    Any thread may call, at once with others: requests run in a loop of their own thread, which ends with the object, so
    that all calls together keep the pace. `opened` makes the client; tests give one without a network. Raises
    InputError for a poor URL or key.
    """

    def __init__(self, endpoint: Endpoint, max_tokens: int = 512, opened: Callable[[Endpoint], Client] = opened):
        self.max_tokens = max_tokens
        self.client = opened(endpoint)
        self.turns = asyncio.Semaphore(endpoint.concurrency)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=_run, args=(self.loop,), name="asking", daemon=True).start()
        weakref.finalize(self, self.loop.call_soon_threadsafe, self.loop.stop)

    def __call__(self, asks: Sequence[Ask]) -> list[str | Failed]:
        return asyncio.run_coroutine_threadsafe(self._all(asks), self.loop).result()

    async def _all(self, asks: Sequence[Ask]) -> list[str | Failed]:
        return await asyncio.gather(*(self._one(request_of(ask, self.max_tokens)) for ask in asks))

    async def _one(self, request: Request) -> str | Failed:
        try:
            async with self.turns:
                reply = await self.client.ask(request)
        except Unanswered as why:
            return Failed(f"{self.client.endpoint.url}: {why}")
        except InputError as error:
            return Failed(str(error))
        return Failed(f"{self.client.endpoint.url}: {reply.refused}") if reply.refused else reply.text


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


class Local:
    """A model of this process. `schema` is the JSON schema that its replies are held to, where its engine can."""

    def __init__(self, generator: Generator, schema: str = "", max_tokens: int = 128):
        self.generator, self.schema, self.max_tokens = generator, schema, max_tokens

    def __call__(self, asks: Sequence[Ask]) -> list[str | Failed]:
        answers = self.generator.generate([request_of(ask, self.max_tokens, self.schema) for ask in asks])
        return [answer.text for answer in answers]


def request_of(ask: Ask, max_tokens: int, schema: str = "") -> Request:
    """A question as a request: greedy at the first try, else at temperature 1 and with another seed."""
    turns = (Turn("system", (Text(ask.system),)), Turn("user", (*ask.images, Text(ask.user))))
    return Request(turns, max_tokens=max_tokens, temperature=float(ask.attempt > 0), seed=ask.attempt, schema=schema)


class Judgements(Generic[T]):
    """Asks a model, and reads its replies by `parse`, which raises ValueError for one that is none.

    `name` says which model and which prompt; it is part of the key under which a reply is kept, so that another model's
    is never taken for this one's. Only replies that could be read are kept. A file is whole or not there, so several
    processes may share a folder.
    """

    def __init__(self, model: Model, name: str, parse: Callable[[str], T], how: reward_config.Asking):
        self.model, self.name, self.parse, self.how = model, name, parse, how

    def __call__(self, asks: Sequence[Ask]) -> list[T | Failed]:
        """What each reply says, in order; a `Failed` where all tries brought none."""
        found: list[T | Failed] = [self._kept(ask) for ask in asks]
        open_ = [place for place, one in enumerate(found) if isinstance(one, Failed)]
        for attempt in range(1 + self.how.retries):
            if not open_:
                break
            replies = self.model([replace(asks[place], attempt=attempt) for place in open_])
            unread = []
            for place, reply in zip(open_, replies, strict=True):
                found[place] = reply if isinstance(reply, Failed) else self._read(asks[place], reply)
                if isinstance(found[place], Failed) and not isinstance(reply, Failed):
                    unread.append(place)
            open_ = unread
        return found

    def _read(self, ask: Ask, reply: str) -> T | Failed:
        try:
            said = self.parse(reply)
        except ValueError as error:
            return Failed(f"{self.name}: {error}: {reply[:80]!r}")
        if self.how.cache:
            with files.beside(self._path(ask), f".{os.getpid()}-{threading.get_ident()}") as part:
                part.write_text(json.dumps({"reply": reply}), encoding="utf-8")
        return said

    def _kept(self, ask: Ask) -> T | Failed:
        """What an earlier run was told. A file that cannot be read is as good as none."""
        if not self.how.cache:
            return Failed("not asked")
        try:
            return self.parse(json.loads(self._path(ask).read_text(encoding="utf-8"))["reply"])
        except (OSError, ValueError, KeyError, TypeError):
            return Failed("not asked")

    def _path(self, ask: Ask) -> Path:
        key = ask.key(self.name)
        return Path(self.how.cache) / key[:2] / f"{key}.json"


def strict_json(reply: str) -> dict[str, Any]:
    """The JSON object that a reply is, alone or as its only fenced block.

    Raises ValueError for text around it, a name that stands twice, NaN and infinities.
    """
    if len(reply) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    fenced = FENCED.fullmatch(reply)
    try:
        found = json.loads(fenced[1] if fenced else reply, object_pairs_hook=_once, parse_constant=_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def question_text(turns: Sequence[Turn]) -> str:
    """What was asked, as one text: each turn with its role, pictures as `<image>`."""
    parts = [
        f"{turn.role}: " + "".join(part.text if isinstance(part, Text) else "<image>" for part in turn.parts)
        for turn in turns
    ]
    return "\n".join(parts)


def asked(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns up to the answer that a sample trains. Raises InputError where nothing is asked."""
    found = tuple(turns[:-1] if turns and turns[-1].role == "assistant" else turns)
    if not found:
        raise InputError("a sample without a question cannot be judged")
    return found
