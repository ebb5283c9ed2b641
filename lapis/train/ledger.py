"""Where a stage's time went, over all its starts: steps that count, checkpoints, starting again, steps that were lost.

Events are lines of `ledger.jsonl`, written when something begins or ends, so that a process that dies leaves what it
knew. When it died is taken from its last line of metrics: what it did after that was lost either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lapis import files

NAME = "ledger.jsonl"
PARTS = ("productive", "checkpoint", "restart", "lost", "other")
"""Of an account, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line. Times are seconds since 1970."""

    what: str
    """start: a start of the stage; working: its first step begins; saved: a checkpoint was taken; ended: the stage
    ended, or was told to."""
    at: float
    seconds: float = 0.0
    """saved: how long training waited."""
    last: float = 0.0
    """start: when the start before it last wrote a step; 0 without one, or where that one was told to end."""


@dataclass(frozen=True, slots=True)
class Account:
    """Seconds by where they went, and how long it took from a death to the next step that counts."""

    wall: float
    productive: float
    checkpoint: float
    restart: float
    lost: float
    back: tuple[float, ...]

    @property
    def goodput(self) -> float:
        """Share of the time that went into steps that count."""
        return self.productive / max(self.wall, 1e-9)

    @property
    def other(self) -> float:
        """What is left: held-out losses, snapshots, waiting for the evaluation beside training."""
        return max(0.0, self.wall - self.productive - self.checkpoint - self.restart - self.lost)

    def words(self) -> str:
        """All of it as one line."""
        parts = ", ".join(f"{name} {getattr(self, name):.1f} s" for name in PARTS)
        back = ", ".join(f"{seconds:.1f} s" for seconds in self.back)
        return f"goodput {self.goodput:.1%} ({parts})" + (f"; from death to the next step {back}" if back else "")


class Ledger:
    """Writes a stage's events; of several processes one writes."""

    def __init__(self, folder: Path, writes: bool = True, clock: Callable[[], float] = time.time):
        self.path, self.metrics = folder / NAME, folder / "metrics.jsonl"
        self.writes, self.clock = writes, clock

    def start(self) -> None:
        """Before anything else of a start; before the metrics are cut to the checkpoint."""
        before = read(self.path)
        died = bool(before) and before[-1].what != "ended" and self.metrics.is_file()
        self._write(Event("start", self.clock(), last=self.metrics.stat().st_mtime if died else 0.0))

    def working(self) -> None:
        self._write(Event("working", self.clock()))

    def saved(self, seconds: float) -> None:
        self._write(Event("saved", self.clock(), seconds=seconds))

    def ended(self) -> None:
        self._write(Event("ended", self.clock()))

    def _write(self, event: Event) -> None:
        if self.writes:
            files.append(self.path, asdict(event))


def read(path: Path) -> list[Event]:
    """The events of a ledger; none without a file."""
    return [Event(**line) for line in files.lines(path)]


def account(events: Sequence[Event], productive: float) -> Account:
    """What the events say; `productive` is the sum of the seconds of the steps that count."""
    starts = [at for at, event in enumerate(events) if event.what == "start"]
    spans = [events[at:end] for at, end in zip(starts, [*starts[1:], len(events)], strict=True)]
    wall = restart = lost = 0.0
    back = []
    for number, span in enumerate(spans):
        following = spans[number + 1][0] if number + 1 < len(spans) else None
        end = following.last if following and following.last else span[-1].at
        working = next((event.at for event in span if event.what == "working"), end)
        died = span[0].last
        wall += end - (died or span[0].at)
        restart += working - (died or span[0].at)
        back += [working - died] if died else []
        if following and following.last:
            kept = [event.at for event in span if event.what in ("working", "saved")]
            lost += max(0.0, end - max(kept, default=end))
    checkpoint = sum(event.seconds for event in events if event.what == "saved")
    return Account(wall, productive, checkpoint, restart, lost, tuple(back))
