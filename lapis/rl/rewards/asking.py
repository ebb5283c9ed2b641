"""Judgements by a model that is asked in words: sent, read strictly, asked again where the reply is none, and kept.

Any model will do: a server of OpenAI's kind (`Server`) or a Generator of this process (`Local`). Temperature is 0 at
the first try and 1 afterwards, with another seed, so that asking again can bring another reply.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import httpx

from lapis import files, reward_config
from lapis.data.answers.request import data_uri
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
    """Replies to questions, in order; a `Failed` where there is none."""

    def __call__(self, asks: Sequence[Ask]) -> Sequence[str | Failed]: ...


class Server:
    """A model behind an OpenAI-compatible server. `key` is its secret, if it wants one."""

    def __init__(self, how: reward_config.Endpoint, key: str = "", transport: httpx.BaseTransport | None = None):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.how = how
        self.client = httpx.Client(headers=headers, timeout=how.seconds, transport=transport, trust_env=False)

    def __call__(self, asks: Sequence[Ask]) -> list[str | Failed]:
        with ThreadPoolExecutor(self.how.parallel) as threads:
            return list(threads.map(self._one, asks))

    def _one(self, ask: Ask) -> str | Failed:
        body = {
            "model": self.how.model,
            "messages": [{"role": "system", "content": ask.system}, {"role": "user", "content": _content(ask)}],
            "max_tokens": self.how.max_tokens,
            "temperature": float(ask.attempt > 0),
            "seed": ask.attempt,
        }
        try:
            answer = self.client.post(self.how.url.rstrip("/") + "/chat/completions", json=body)
            if answer.is_error:
                return Failed(f"{self.how.url}: status {answer.status_code}")
            text = answer.json()["choices"][0]["message"]["content"]
        except httpx.HTTPError as error:
            return Failed(f"{self.how.url}: {type(error).__name__} {error}")
        except (ValueError, LookupError, TypeError) as error:
            return Failed(f"{self.how.url}: no chat completion ({error!r:.80})")
        return text if isinstance(text, str) else Failed(f"{self.how.url}: a reply without text")


def _content(ask: Ask) -> str | list[dict[str, Any]]:
    """Text alone, or pictures as data URLs before it."""
    if not ask.images:
        return ask.user
    pictures = ({"type": "image_url", "image_url": {"url": data_uri(one)}} for one in ask.images)
    return [*pictures, {"type": "text", "text": ask.user}]


class Local:
    """A model of this process. `schema` is the JSON schema that its replies are held to, where its engine can."""

    def __init__(self, generator: Generator, schema: str = "", max_tokens: int = 128):
        self.generator, self.schema, self.max_tokens = generator, schema, max_tokens

    def __call__(self, asks: Sequence[Ask]) -> list[str | Failed]:
        answers = self.generator.generate([self._request(ask) for ask in asks])
        return [answer.text for answer in answers]

    def _request(self, ask: Ask) -> Request:
        turns = (Turn("system", (Text(ask.system),)), Turn("user", (*ask.images, Text(ask.user))))
        warm = float(ask.attempt > 0)
        return Request(turns, max_tokens=self.max_tokens, temperature=warm, seed=ask.attempt, schema=self.schema)


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
        for attempt in range(1 + self.how.retries):
            open_ = [place for place, one in enumerate(found) if isinstance(one, Failed)]
            if not open_:
                break
            if attempt and self.how.pause:
                time.sleep(self.how.pause * 2 ** (attempt - 1))
            replies = self.model([replace(asks[place], attempt=attempt) for place in open_])
            for place, reply in zip(open_, replies, strict=True):
                found[place] = reply if isinstance(reply, Failed) else self._read(asks[place], reply)
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
