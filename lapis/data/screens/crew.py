"""Rendering processes: each is spawned with its share of the work and sends what it makes through a pipe of its own.

A worker that dies is an end of file here: an error, never a hang. As with everything that spawns, the calling script
needs its `if __name__ == "__main__"`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any


class Worker:
    """The parent's end of a rendering process, which runs `work(outlet, *arguments)`."""

    def __init__(self, work: Callable[..., None], *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self.inlet, outlet = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=work, args=(outlet, *arguments), daemon=True)
        self.process.start()
        outlet.close()

    def receive(self) -> Any:
        """What it sent next. Passes on the worker's error; raises RuntimeError where it died."""
        try:
            found = self.inlet.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"a rendering process died (exit code {self.process.exitcode})") from None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """Lets a running worker end by itself (its next write fails), and ends it where it does not."""
        self.inlet.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()
