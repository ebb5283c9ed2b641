"""What a stage writes while it trains: `metrics.jsonl`, one line a step, and the same scalars for TensorBoard.

Unusual: a resumed stage first drops the lines past its checkpoint, so that the file is that of a run never cut.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from torch.utils.tensorboard.writer import SummaryWriter

from lapis import files
from lapis.train.step import Result

logging.getLogger("tensorboard").setLevel(logging.WARNING)


EXTRAS = ("distil", "cells", "patches", "places", "numbers", "looks", "norms")
"""What a line holds only where there is any."""


class Metrics:
    """Writer of both; a context manager. `done` steps of earlier starts are kept. Of several processes one writes."""

    def __init__(self, folder: Path, done: int, writes: bool = True):
        self.path = folder / "metrics.jsonl"
        self.folder, self.done, self.writes = folder, done, writes

    def __enter__(self) -> Metrics:
        if not self.writes:
            return self
        with files.room(self.path):
            cut(self.path, self.done)
            self.file: TextIO = self.path.open("a", encoding="utf-8")
        self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.done + 1, flush_secs=20)
        return self

    def __exit__(self, *error: object) -> None:
        if self.writes:
            self.file.close()
            self.board.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """One line with `step` and `loss`. Raises InputError where the disk is full."""
        if not self.writes:
            return
        with files.room(self.path):
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        for name, value in _scalars(line):
            self.board.add_scalar(name, value, line["step"])


def line_of(step: int, result: Result, seconds: float, peak: float) -> dict[str, Any]:
    """A step's metrics line. `step` counts from 1; `seconds` is the step's wall time with its wait for data; `peak` is
    what all processes' machines could do, in FLOPs per second."""
    line = {
        "step": step,
        "loss": result.loss,
        "lm": result.lm,
        "lr": result.rate,
        "grad_norm": result.grad_norm,
        "tokens": result.tokens,
        "targets": result.targets,
        "tiles": result.tiles,
        "seconds": round(seconds, 4),
        "tokens_per_s": round(result.tokens / max(seconds, 1e-9), 1),
        "mfu": round(result.flops / max(seconds, 1e-9) / peak, 4),
        "imbalance": round(result.imbalance, 4),
        "rates": result.rates,
        "kinds": result.kinds,
    }
    extras = {name: getattr(result, name) for name in EXTRAS}
    return line | {name: value for name, value in extras.items() if value}


def cut(path: Path, done: int) -> None:
    """Keep the lines of steps up to `done`; a half-written last line goes too."""
    if not path.is_file():
        return
    files.write(path, "".join(json.dumps(line) + "\n" for line in files.lines(path) if line["step"] <= done))


def recent(path: Path, done: int, lines: int) -> list[float]:
    """Losses of the last lines of steps up to `done`; none without a file."""
    found = [line["loss"] for line in files.lines(path) if line["step"] <= done]
    return found[-lines:]


def last_loss(path: Path, lines: int = 20) -> float | None:
    """Mean loss of the last lines; None without any."""
    losses = [line["loss"] for line in files.lines(path)][-lines:]
    return sum(losses) / len(losses) if losses else None


def _scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{key}", number) for key, number in _scalars(value))
        elif name != "step":
            yield name, float(value)
