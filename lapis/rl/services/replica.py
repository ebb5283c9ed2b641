"""A process that serves a reward: one request an answer, answers that come together judged in one call.

Only Ray Serve imports this, where Ray is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve
from ray.serve._private import replica as serves

from lapis.rl.rewards.book import Failed, Item
from lapis.rl.services.client import Lost
from lapis.rl.services.made import made
from lapis.service_config import Service
from lapis.types import InputError


class Replica:
    """What Ray Serve makes a deployment of.

    A call that throws is repeated answer by answer, as one of them may be all that is wrong. A call that hangs is left
    to its thread: its answers are `Lost`, and the replica says that it is not well, so that another takes its place.
    """

    def __init__(self, service: Service):
        # Serve gives each replica a port on all addresses that unpickles whatever comes. Handles do not use it: they
        # ask through Ray.
        serves.add_port_to_grpc_server = lambda server, address: 0
        batch = service.batch
        self.reward, self.seconds, self.hangs = made(service), service.seconds, False
        self.most = batch.size * batch.at_once
        self.threads = ThreadPoolExecutor(self.most)
        together = serve.batch(
            max_batch_size=batch.size, batch_wait_timeout_s=batch.wait, max_concurrent_batches=batch.at_once
        )
        self.together = together(self._judged)

    async def judge(self, item: Item) -> Any:
        """A verdict or `Failed`, from a call with others."""
        return await self.together(item)

    async def alone(self, item: Item) -> Any:
        """The same from a call of its own: for one that was lost with others, and may be why."""
        return (await self._judged([item]))[0]

    async def _judged(self, items: Sequence[Item]) -> list[Any]:
        call = asyncio.get_running_loop().run_in_executor(self.threads, self.reward, items)
        done, _ = await asyncio.wait({call}, timeout=self.seconds * len(items))
        if not done:
            self.hangs, self.threads = True, ThreadPoolExecutor(self.most)
            return [Lost(f"no verdict within {self.seconds * len(items):g} s")] * len(items)
        error = call.exception()
        if error is not None and len(items) > 1:
            return [one for item in items for one in await self._judged([item])]
        if error is not None:
            known = isinstance(error, Failed | InputError)
            return [Failed(str(error) if known else f"{type(error).__name__}: {error}")]
        found = call.result()
        if not isinstance(found, Sequence) or len(found) != len(items):
            return [Failed(f"returned {found!r:.80} for {len(items)} answers")] * len(items)
        return list(found)

    def check_health(self) -> None:
        """Called by Serve. Raises Lost where a judgement hangs."""
        if self.hangs:
            raise Lost("a judgement hangs")

    def __del__(self) -> None:
        """Called by Serve at the end of a replica that is no longer wanted."""
        close = getattr(getattr(self, "reward", None), "close", None)
        if close is not None:
            close()
