"""Who did what when: spans of all processes, the share of time in which each was idle and why, and Chrome's trace form.

Times are seconds of the wall clock, so that processes of one machine stand on one line; over several machines they are
as far apart as their clocks are. Format: "Trace Event Format" (Google, 2016), complete events, which chrome://tracing
and Perfetto show.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lapis import files

NEAR = 0.002
"""Seconds; a gap that is shorter is none."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Span:
    """A process did something."""

    who: str
    what: str
    begin: float
    end: float


class Spans:
    """The spans of one process since they were last taken. For several threads."""

    def __init__(self, who: str):
        self.who = who
        self._done: list[Span] = []
        self._lock = Lock()

    @contextmanager
    def span(self, what: str) -> Iterator[None]:
        """What happens inside."""
        begin = time.time()
        try:
            yield
        finally:
            self.add(what, begin, time.time())

    def add(self, what: str, begin: float, end: float) -> None:
        """A span; one that follows another of the same name makes it longer."""
        with self._lock:
            last = self._done[-1] if self._done else None
            if last and last.what == what and 0 <= begin - last.end < NEAR:
                self._done[-1] = Span(self.who, what, last.begin, end)
            else:
                self._done.append(Span(self.who, what, begin, end))

    def take(self) -> tuple[Span, ...]:
        """Those that are over; forgotten here."""
        with self._lock:
            done, self._done = tuple(self._done), []
        return done


def idle(spans: Sequence[Span], causes: Sequence[Span]) -> dict[str, dict[str, float]]:
    """Process to cause to the share of the time, from the first span's begin to the last one's end, in which it did
    nothing. A gap's cause is what `causes` tells for its time; `queue` is what none of them covers.
    """
    busy: dict[str, list[Interval]] = defaultdict(list)
    for span in spans:
        busy[span.who].append((span.begin, span.end))
    whole = (min((s.begin for s in spans), default=0.0), max((s.end for s in spans), default=0.0))
    seconds = max(whole[1] - whole[0], 1e-9)
    found = {}
    for who, intervals in sorted(busy.items()):
        gaps = _without([whole], intervals)
        shares = {}
        for cause in sorted({one.what for one in causes if one.who in ("", who)}):
            told = [(one.begin, one.end) for one in causes if one.what == cause and one.who in ("", who)]
            left = _without(gaps, told)
            shares[cause] = (_total(gaps) - _total(left)) / seconds
            gaps = left
        found[who] = shares | {"queue": _total(gaps) / seconds}
    return found


def _without(intervals: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """What is left of intervals."""
    left = sorted(intervals)
    for begin, end in sorted(taken):
        cut = []
        for first, last in left:
            cut += [piece for piece in ((first, min(last, begin)), (max(first, end), last)) if piece[1] > piece[0]]
        left = cut
    return left


def _total(intervals: Iterable[Interval]) -> float:
    return sum(end - begin for begin, end in intervals)


def write(path: Path, spans: Sequence[Span]) -> None:
    """Chrome's trace form: a process a row, times in microseconds from the first span on."""
    names = sorted({span.who for span in spans})
    start = min((span.begin for span in spans), default=0.0)
    events: list[dict[str, object]] = [
        {"name": "process_name", "ph": "M", "pid": number, "tid": 0, "args": {"name": who}}
        for number, who in enumerate(names)
    ]
    events += [
        {
            "name": span.what,
            "ph": "X",
            "pid": names.index(span.who),
            "tid": 0,
            "ts": round((span.begin - start) * 1e6),
            "dur": round((span.end - span.begin) * 1e6),
        }
        for span in sorted(spans, key=lambda one: one.begin)
    ]
    files.write_json(path, {"traceEvents": events, "displayTimeUnit": "ms"})
