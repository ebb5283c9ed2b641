"""How fast requests may leave: at most so many, and so many tokens, in any 60 seconds.

Unusual: a sliding window, not a bucket, which would let twice as many through in its first minute. Tokens are counted
by their upper bound when a request leaves, and by what it took once that is known.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

WINDOW = 60.0
"""Seconds."""
Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class Ticket:
    """A request that has left."""

    when: float
    tokens: int


class Pace:
    """`clock` gives seconds, `sleep` waits for some; limits of 0 are none."""

    def __init__(
        self, requests: int, tokens: int, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep
    ):
        self._requests, self._tokens = requests, tokens
        self._clock, self._sleep = clock, sleep
        self._left: deque[Ticket] = deque()
        self._turn = asyncio.Lock()
        self._held = float("-inf")

    async def take(self, tokens: int) -> Ticket:
        """Wait until a request of so many tokens may leave, in the order of the calls."""
        async with self._turn:
            while (wait := self._wait(tokens)) > 0:
                await self._sleep(wait)
            ticket = Ticket(self._clock(), tokens)
            self._left.append(ticket)
            return ticket

    def follow(self, earlier: Pace) -> None:
        """Count what `earlier` let through and keep what it was told: it is the same endpoint's, by the same clock."""
        self._left.extendleft(reversed(earlier._left))
        self._held = max(self._held, earlier._held)

    def hold(self, seconds: float) -> None:
        """Nothing leaves for so long: the API said so."""
        self._held = max(self._held, self._clock() + seconds)

    def _wait(self, tokens: int) -> float:
        """Seconds until there is room. One that is larger than the limit leaves when nothing else has."""
        now = self._clock()
        while self._left and self._left[0].when <= now - WINDOW:
            self._left.popleft()
        free = self._held
        if self._requests and len(self._left) >= self._requests:
            free = max(free, self._left[-self._requests].when + WINDOW)
        if self._tokens:
            free = max(free, self._until(tokens))
        return free - now

    def _until(self, tokens: int) -> float:
        """When enough tokens have left the window."""
        used, free = sum(ticket.tokens for ticket in self._left), float("-inf")
        for ticket in self._left:
            if used + tokens <= self._tokens:
                break
            used, free = used - ticket.tokens, ticket.when + WINDOW
        return free
