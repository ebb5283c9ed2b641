"""Where a run's real seconds went, over all its starts: `timeline.json` in the run folder.

Unusual: an open segment's end is moved forward by a heartbeat, so a run that was killed counts the time until its
last beat, and the seconds in the report are those that passed, not those of the last start.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from lapis import files
from lapis.types import InputError

NAME = "timeline.json"
BEAT = 5.0
"""Seconds between heartbeats."""

RESERVED = ("total", "starts", "machine")
"""Keys of the file that are no stage's name."""

Segment = list[float]
"""Begin and end, seconds since 1970."""


class Timeline:
    """A context manager around one start of a run; `stage(name)` is one around each stage.

    The file: `{"total": seconds, "starts": [[begin, end], ...], STAGE: [[begin, end], ...], ...}`; `total` is the sum
    of the starts. Raises InputError where an older file is no JSON of this form.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time):
        self.path = folder / NAME
        self.clock = clock
        self.starts, self.segments = _read(self.path)
        self._open: list[Segment] = []
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._heart, daemon=True)

    def __enter__(self) -> Self:
        self._begin(self.starts)
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        # The outcome of the run is decided by now: a disk that is full must not hide it.
        with suppress(OSError):
            self.beat()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time inside for stage `name`."""
        segment = self._begin(self.segments.setdefault(name, []))
        # Told at once, so that a stage killed before the next heartbeat is known to have begun.
        with suppress(OSError):
            self.beat()
        try:
            yield
        finally:
            segment[1] = self.clock()
            self._open.remove(segment)

    def forget(self, name: str) -> None:
        """Stage `name` is done anew: its earlier seconds stay in the whole, and leave the stage's own."""
        self.segments.pop(name, None)

    def seconds(self, name: str) -> float:
        """Seconds that stage `name` took, over all starts."""
        return _length(self.segments.get(name, []))

    def beat(self) -> None:
        """Move the ends of open segments to now and write the file."""
        with self._guard:
            now = self.clock()
            for segment in self._open:
                segment[1] = now
            tree = {"total": _length(self.starts), "starts": self.starts, **self.segments}
            files.write_json(self.path, tree)

    def _begin(self, parts: list[Segment]) -> Segment:
        now = self.clock()
        segment = [now, now]
        parts.append(segment)
        self._open.append(segment)
        return segment

    def _heart(self) -> None:
        while not self._stop.wait(BEAT):
            # A full disk is told by the stage that needs the room; the next beat tries again.
            with suppress(OSError, InputError):
                self.beat()


def _length(parts: list[Segment]) -> float:
    return sum(end - begin for begin, end in parts)


def _read(path: Path) -> tuple[list[Segment], dict[str, list[Segment]]]:
    if not path.is_file():
        return [], {}
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return tree["starts"], {name: parts for name, parts in tree.items() if name not in RESERVED}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: not a timeline of a run; remove it to count from nothing") from None
