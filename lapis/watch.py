"""A run seen from outside while it trains: what its files say, read again as lines come, and the live view of them.

Unusual: nothing here touches the run. A file that a resumed stage cut and wrote anew is read from its beginning; a run
whose timeline has not been beaten for a while is told as stopped, and its clock stands.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console, Group
from rich.live import Live

from lapis import frame, timeline
from lapis.progress import Bars, Task
from lapis.train import ledger
from lapis.types import InputError

EVERY = 1.0
"""Seconds between two looks."""
SILENT = 3 * timeline.BEAT
"""Seconds without a heartbeat after which a run is taken for stopped."""
FILES = ("metrics.jsonl", "online.jsonl", "alarms.jsonl")
RECENT = 50
"""Steps whose seconds say how long the rest takes."""

Json = dict[str, Any]


class Lines:
    """The whole lines of a file of JSON lines that grows, or is replaced by a shorter one; only new ones are read."""

    def __init__(self, path: Path):
        self.path = path
        self.lines: list[Json] = []
        self.file = self.at = 0

    def read(self) -> list[Json]:
        """All lines so far; none without a file."""
        try:
            with self.path.open("rb") as file:
                self._more(file)
        except FileNotFoundError:
            self.lines, self.at = [], 0
        return self.lines

    def _more(self, file: BinaryIO) -> None:
        stat = os.fstat(file.fileno())
        if stat.st_ino != self.file or stat.st_size < self.at:
            self.file, self.at, self.lines = stat.st_ino, 0, []
        file.seek(self.at)
        whole, newline, _ = file.read().rpartition(b"\n")
        self.at += len(whole + newline)
        self.lines += [json.loads(line) for line in whole.split(b"\n") if line]


@dataclass(frozen=True, slots=True)
class Stage:
    """An entry of the recipe and its files."""

    folder: Path
    entry: Json
    metrics: Lines
    online: Lines
    alarms: Lines

    @property
    def done(self) -> Json | None:
        """Its summary, once it is done."""
        path = self.folder / "done.json"
        return _json(path) if path.is_file() else None

    def time(self) -> ledger.Account | None:
        """Where its seconds went; until its last line where it has not ended."""
        events = ledger.read(self.folder / ledger.NAME)
        if not events:
            return None
        if events[-1].what != "ended" and self.metrics.path.is_file():
            events.append(ledger.Event("ended", max(events[-1].at, self.metrics.path.stat().st_mtime)))
        return ledger.account(events, sum(line["seconds"] for line in self.metrics.read()))


class Watch:
    """A run folder that is looked at again and again; `only` names the stage to show instead of the one at work.

    Raises InputError for a stage that the run does not have.
    """

    def __init__(self, folder: Path, only: str | None = None):
        self.folder, self.only = folder, only
        settings = _json(folder / "config.json")
        self.name = str(settings.get("name", folder.name))
        parts = [settings.get("data", {}), *settings["stages"], settings.get("eval", {}), settings.get("export", {})]
        self.stages = [self._stage(entry) for entry in parts if entry]
        names = [stage.entry["name"] for stage in self.stages]
        if only is not None and only not in names:
            raise InputError(f"{only}: no such stage; there are {', '.join(names)}")

    def _stage(self, entry: Json) -> Stage:
        folder = self.folder / entry["name"]
        return Stage(folder, entry, *(Lines(folder / name) for name in FILES))

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return all(stage.done is not None for stage in self.stages)

    def frame(self, now: float) -> Group:
        """What the files say at a time, in seconds since 1970."""
        spent = _json(self.folder / timeline.NAME)
        beat = max((end for _, end in spent.get("starts", [])), default=now)
        running = not self.over and now - beat < SILENT
        at_work = next((one for one in self.stages if one.done is None and one.entry["name"] in spent), None)
        shown = self._shown(at_work)
        state = "done" if self.over else "running" if running else "stopped"
        head = frame.head(self.name, self.folder, state, shown.entry["name"] if shown else "")
        bars = self._bars(spent, at_work, now if running else beat)
        if shown is None:
            return Group(head, bars.render())
        lines = shown.metrics.read()
        alarms = [{"stage": one.entry["name"], **line} for one in self.stages for line in one.alarms.read()]
        return Group(
            head,
            bars.render(),
            frame.side_by_side(frame.numbers(lines, shown.entry, shown.time()), frame.losses(lines, shown.done or {})),
            frame.side_by_side(frame.norms(lines), frame.online(shown.online.read())),
            frame.side_by_side(frame.alarms(alarms)),
        )

    def _shown(self, at_work: Stage | None) -> Stage | None:
        """The stage that was asked for, else the one at work, else the last that trained."""
        if self.only is not None:
            return next(stage for stage in self.stages if stage.entry["name"] == self.only)
        if at_work is not None:
            return at_work
        return next((stage for stage in reversed(self.stages) if stage.metrics.read()), None)

    def _bars(self, spent: Json, at_work: Stage | None, now: float) -> Bars:
        """The bars of `lapis run`, timed by the metrics of the stage at work."""
        seconds = {name: sum(end - begin for begin, end in parts) for name, parts in _segments(spent).items()}
        done = {one.entry["name"]: seconds.get(one.entry["name"], 0.0) for one in self.stages if one.done is not None}
        tasks = [Task(one.entry["name"], float(one.entry.get("minutes", 0))) for one in self.stages]
        bars = Bars(tasks, done, Console(quiet=True), lambda: now)
        if at_work is not None:
            name, lines = at_work.entry["name"], at_work.metrics.read()
            bars.forecast.begin(name, int(at_work.entry.get("steps", 0)), now - seconds.get(name, 0.0))
            if lines:
                recent = [line["seconds"] for line in lines[-RECENT:] if "seconds" in line]
                step, each = lines[-1]["step"], sum(recent) / max(len(recent), 1)
                bars.forecast.advance(0, now - step * each)
                bars.forecast.advance(step, now)
                bars.note = f"loss {lines[-1]['loss']:.3f}"
        return bars


def _segments(spent: Json) -> Json:
    return {name: parts for name, parts in spent.items() if name not in timeline.RESERVED}


def _json(path: Path) -> Json:
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:
        raise InputError(f"{path}: not whole JSON") from None
    return found


def watch(folder: Path, once: bool = False, only: str | None = None, console: Console | None = None) -> None:
    """Show a run until it is over or Ctrl-C; one frame where that is asked for, or where nothing can move.

    Raises InputError for a stage that the run does not have.
    """
    console, seen = console or Console(), Watch(folder, only)
    if once or not console.is_terminal:
        console.print(seen.frame(time.time()))
        return
    try:
        with Live(seen.frame(time.time()), console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while not seen.over:
                time.sleep(EVERY)
                live.update(seen.frame(time.time()), refresh=True)
    except KeyboardInterrupt as left:
        # Ctrl-C is the way out of a view; SIGTERM, which comes as a kind of it, is not.
        if type(left) is not KeyboardInterrupt:
            raise
