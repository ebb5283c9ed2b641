"""A backend as a generator: many requests at once, answers in their order, without an event loop of the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lapis.serve.backend import Backend
from lapis.types import Completion, Request


class Asked:
    """Satisfies `types.Generator`. As many requests may be given at once as the backend takes."""

    def __init__(self, backend: Backend):
        self.backend = backend
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *error: object) -> None:
        """End the backend and what it does."""
        self.loop.run_until_complete(self.backend.close(0))
        self.loop.close()

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests; raises as the backend does."""
        return self.loop.run_until_complete(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Completion]:
        return [*await asyncio.gather(*map(self._one, requests))]

    async def _one(self, request: Request) -> Completion:
        found = None
        async for delta in self.backend.submit(request):
            found = delta.completion
        assert found is not None
        return found
