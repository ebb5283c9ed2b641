"""Checks in processes of their own: math-verify works by an alarm in a main thread, and whatever hangs can be killed.

Pebble's pool does both: a task that takes too long is killed with its process, and another process takes its place.
Processes come from a fork server, which has loaded the checks once and knows nothing of the threads here.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as Late
from typing import Any

from pebble import ProcessExpired, ProcessPool
from pebble.common import ProcessFuture

from lapis import verify
from lapis.rl.rewards.book import Failed, Item
from lapis.types import Verdict

Check = Callable[[Mapping[str, Any], str, bool], Verdict]
"""(a sample's meta, the answer's text, whether the thought is closed) to a verdict; `verify.decide` is one."""


def _ready(check: Check) -> None:
    """A process has imported the check before its first answer: that takes none of the answer's seconds."""


class Apart:
    """Any check that Python can import, as a reward. A context manager; `close` ends its processes.

    An answer's seconds begin when a process has it, however long that process took to come.
    """

    bounded = True

    def __init__(self, check: Check = verify.decide, workers: int = 1, seconds: float = 60.0):
        how = multiprocessing.get_context("forkserver")
        how.set_forkserver_preload([check.__module__])
        self.check, self.seconds = check, seconds
        self.pool = ProcessPool(max_workers=workers, context=how, initializer=_ready, initargs=(check,))

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, items: Sequence[Item]) -> list[Verdict | Failed]:
        given = [(dict(item.sample.meta), item.answer.text, item.answer.closed) for item in items]
        futures = [self.pool.schedule(self.check, args=one, timeout=self.seconds) for one in given]
        return [self._result(future) for future in futures]

    def _result(self, future: ProcessFuture) -> Verdict | Failed:
        try:
            return future.result()
        except Late:
            return Failed(f"no verdict within {self.seconds:g} s; its process was killed")
        except verify.Undecided as error:
            return Failed(str(error))
        except ProcessExpired as error:
            return Failed(f"its process died ({error})")
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        self.pool.stop()
        self.pool.join()
