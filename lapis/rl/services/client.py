"""A reward service as a reward: what a book of rewards holds under an identifier whose answers others judge."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from lapis.reward_config import Calling
from lapis.rl.rewards.book import Failed, Item
from lapis.rl.services import registry
from lapis.types import Verdict


class Lost(Failed):
    """A request has no answer, and another replica may have one."""


class Remote:
    """Asks a service, one request an answer, all at once. Where a replica died, hangs or was taken away, its requests
    go to others; none is given up before `retries` further tries.

    Raises InputError where there is no such service.
    """

    def __init__(self, name: str, how: Calling | None = None):
        self.name, self.how = name, how or Calling()
        self.handle = registry.found(name)

    def __call__(self, items: Sequence[Item]) -> list[Verdict | Failed]:
        found: list[Any] = self._asked(self.handle.judge, items)
        for _ in range(self.how.retries):
            places = [place for place, one in enumerate(found) if isinstance(one, Lost)]
            again = self._asked(self.handle.alone, [items[place] for place in places])
            for place, one in zip(places, again, strict=True):
                found[place] = one
        return found

    def close(self) -> None:
        """End what the handle keeps running in this process, before the cluster is left."""
        self.handle.shutdown()

    def _asked(self, ask: Any, items: Sequence[Item]) -> list[Any]:
        responses = [ask.remote(item) for item in items]
        end = time.monotonic() + self.how.seconds
        return [self._answer(response, end) for response in responses]

    def _answer(self, response: Any, end: float) -> Any:
        """What a replica says; a `Failed` where it cannot be had, `Lost` where another replica may know better."""
        from ray.exceptions import RayError, RayTaskError
        from ray.serve.exceptions import RayServeException

        try:
            return response.result(timeout_s=max(0.0, end - time.monotonic()))
        except TimeoutError:
            response.cancel()
            return Lost(f"no answer of service {self.name!r} within {self.how.seconds:g} s")
        except RayTaskError as error:
            return Failed(f"service {self.name!r}: {error.cause!r:.200}")
        except (RayError, RayServeException) as error:
            return Lost(f"service {self.name!r}: a replica is gone ({type(error).__name__})")
