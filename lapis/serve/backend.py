"""What the server asks of an engine, whichever it is: requests in, pieces of answers out, numbers of its load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from lapis.types import Completion, Image, Request


class Full(Exception):
    """The queue is at its limit: the request was not taken, and nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a request wrote since its delta before."""

    thought: str = ""
    """Of the thought, whole characters, without its marks."""
    text: str = ""
    """Of the answer, whole characters; what may still become a stop string is held back."""
    tokens: int = 0
    """How many tokens were written, marks included."""
    completion: Completion | None = None
    """The whole of it, on the last delta alone."""


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine does at a moment, and what it did since its start."""

    live: int
    """Requests that hold a slot."""
    waiting: int
    """Requests of the queue."""
    cache_used: float
    """Share of the KV cache's tokens that live requests may still fill or have filled."""
    prompt_tokens: int
    shared_tokens: int
    """Of the prompt tokens, those that were not computed, because a prefix was there already."""
    written_tokens: int
    images: int
    """Images that were encoded."""


class Backend(Protocol):
    """An engine behind the server. Its methods are called on one event loop."""

    model: str
    """The name that clients use."""
    length: int
    """Most tokens of a request, prompt and answer together."""

    def submit(self, request: Request) -> AsyncIterator[Delta]:
        """The request's deltas as they come. Closing the iterator cancels the request and frees its slot.

        Raises before the first delta: InputError for a value out of range, a broken image or a prompt that is too
        long; Full where the queue is at its limit.
        """
        ...

    async def prepare(self, image: Image) -> int:
        """Encode an image before anything is asked about it; returns its tiles. Raises InputError for a broken one."""
        ...

    def load(self) -> Load: ...

    async def close(self, grace: float) -> None:
        """Take nothing more, let what runs finish for `grace` seconds, then cancel the rest."""
        ...
