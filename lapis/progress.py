"""Progress of a run: two bars, the whole and the stage at work, each with the time left.

`Forecast` is arithmetic over a clock that its caller gives; `Bars` draws it. In a terminal the bars move; elsewhere
(a log, a pipe) there is one plain line every ten seconds at most, and one at each stage's end.

Unusual: a stage with known steps is timed from a second after its first call, so neither its start-up nor the steps
of an earlier start (which it tells at once when it goes on) spoil the rate. Stages not begun count with their
recipe's estimate, scaled by how the finished ones kept theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from lapis.types import Progress

PRIOR = 60.0
"""Seconds of belief in the recipe's own estimates against the measured ones (ours)."""
SETTLE = 1.0
"""Seconds after its first call in which a stage's steps may be those of an earlier start."""
EVERY = 10.0
"""Least seconds between plain lines."""


@dataclass(frozen=True, slots=True)
class Task:
    """One stage as the bars see it."""

    name: str
    minutes: float
    """Estimate from the recipe."""


class Forecast:
    """How far a run is and how long it still takes. Times are seconds of any one clock.

    `done` maps the names of finished tasks to the seconds they took.
    """

    def __init__(self, tasks: Sequence[Task], done: Mapping[str, float]):
        self.tasks = {task.name: task for task in tasks}
        self.spent = dict(done)
        self.current: Task | None = None
        self.total = self.steps = 0
        self._first: float | None = None
        self._began = self._timed = 0.0
        self._before = 0

    def begin(self, name: str, total: int, now: float) -> None:
        """Task `name` starts; `total` steps are all of it, 0 is unknown."""
        self.current, self.total = self.tasks[name], total
        self.steps = self._before = 0
        self._first = None
        self._began = self._timed = now

    def advance(self, steps: int, now: float) -> None:
        """The task at work did `steps` more."""
        self.steps += steps
        self._first = now if self._first is None else self._first
        if now - self._first < SETTLE:
            self._before, self._timed = self.steps, now

    def finish(self, now: float) -> float:
        """The task at work ends; returns its seconds."""
        assert self.current is not None
        seconds = self.spent[self.current.name] = now - self._began
        self.current = None
        return seconds

    @property
    def scale(self) -> float:
        """Measured over estimated seconds of what is finished; near 1 while little is."""
        kept = [name for name in self.spent if name in self.tasks and self.tasks[name].minutes]
        real = sum(self.spent[name] for name in kept)
        told = sum(self.tasks[name].minutes * 60 for name in kept)
        return (real + PRIOR) / (told + PRIOR)

    def stage_left(self, now: float) -> float:
        """Seconds that the task at work still takes."""
        if self.current is None:
            return 0.0
        measured = self.steps - self._before
        if self.total and measured > 0:
            return max(0.0, (now - self._timed) / measured * (self.total - self.steps))
        estimate, elapsed = self.current.minutes * 60 * self.scale, now - self._began
        return max(estimate - elapsed, 0.1 * elapsed)

    def stage_share(self, now: float) -> float:
        """Part of the task at work that is done, 0 to 1."""
        if self.current is not None and self.total:
            return min(1.0, self.steps / self.total)
        return _share(now - self._began, self.stage_left(now))

    def whole_left(self, now: float) -> float:
        """Seconds that the whole run still takes."""
        waiting = [task for name, task in self.tasks.items() if name not in self.spent and task is not self.current]
        return self.stage_left(now) + sum(task.minutes * 60 for task in waiting) * self.scale

    def whole_share(self, now: float) -> float:
        """Part of the run's seconds that has gone by, 0 to 1."""
        elapsed = sum(self.spent.values()) + (now - self._began if self.current else 0.0)
        return _share(elapsed, self.whole_left(now))


def _share(gone: float, left: float) -> float:
    return gone / (gone + left) if gone + left > 0 else 0.0


def clock_words(seconds: float) -> str:
    """Seconds for people: `42 s`, `3 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@dataclass(slots=True)
class Reporter:
    """What a stage holds: the `Progress` of lapis.types, tied to the bars."""

    bars: Bars

    def advance(self, steps: int = 1, note: str = "") -> None:
        """`steps` more are done; `note` stands beside the bar (a loss, a count)."""
        self.bars.advanced(steps, note)


class Bars:
    """Draws a Forecast. A context manager; `stage(name)` is one for each task."""

    def __init__(
        self,
        tasks: Sequence[Task],
        done: Mapping[str, float],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.forecast = Forecast(tasks, done)
        self.console = console or Console(stderr=True)
        self.clock = clock
        self.note = ""
        self._printed = float("-inf")
        moving = self.console.is_terminal
        self._live: AbstractContextManager[object] = (
            Live(console=self.console, get_renderable=self.render, refresh_per_second=2) if moving else nullcontext()
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    @contextmanager
    def stage(self, name: str, total: int = 0) -> Iterator[Progress]:
        """Task `name` of `total` steps (0: unknown) runs inside; yields what it reports to."""
        self.note = ""
        self.forecast.begin(name, total, self.clock())
        yield Reporter(self)
        seconds = self.forecast.finish(self.clock())
        left = clock_words(self.forecast.whole_left(self.clock()))
        self.console.print(f"{name}: done in {clock_words(seconds)}; {left} left", highlight=False)

    def advanced(self, steps: int, note: str) -> None:
        """Called by the stage's reporter."""
        now = self.clock()
        self.note = note or self.note
        self.forecast.advance(steps, now)
        if not self.console.is_terminal and now - self._printed >= EVERY:
            self._printed = now
            self.console.print(self.line(now), highlight=False, markup=False, soft_wrap=True)

    def line(self, now: float) -> str:
        """The state as one plain line."""
        forecast = self.forecast
        name = forecast.current.name if forecast.current else ""
        words = [f"{name} {forecast.stage_share(now):.0%}, {clock_words(forecast.stage_left(now))} left"]
        words.append(f"whole {forecast.whole_share(now):.0%}, {clock_words(forecast.whole_left(now))} left")
        return "; ".join([*words, self.note] if self.note else words)

    def render(self) -> Table:
        """The two bars for a terminal."""
        now, forecast = self.clock(), self.forecast
        table = Table.grid(padding=(0, 1))
        rows = [("whole", forecast.whole_share(now), forecast.whole_left(now), "")]
        if forecast.current:
            rows.append((forecast.current.name, forecast.stage_share(now), forecast.stage_left(now), self.note))
        for name, share, left, note in rows:
            bar = ProgressBar(total=1.0, completed=share, width=32)
            table.add_row(name, bar, f"{share:4.0%}", f"{clock_words(left)} left", note)
        return table
