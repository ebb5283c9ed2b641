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


class Metrics:
    """Writer of both; a context manager. `done` steps of earlier starts are kept."""

    def __init__(self, folder: Path, done: int):
        self.path = folder / "metrics.jsonl"
        self.folder, self.done = folder, done

    def __enter__(self) -> Metrics:
        with files.room(self.path):
            cut(self.path, self.done)
            self.file: TextIO = self.path.open("a", encoding="utf-8")
        self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.done + 1, flush_secs=20)
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        self.board.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """One line with `step` and `loss`. Raises InputError where the disk is full."""
        with files.room(self.path):
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        for name, value in _scalars(line):
            self.board.add_scalar(name, value, line["step"])


def line_of(step: int, result: Result, seconds: float) -> dict[str, Any]:
    """A step's metrics line. `step` counts from 1; `seconds` is the step's wall time with its wait for data."""
    line = {
        "step": step,
        "loss": result.loss,
        "lm": result.lm,
        "lr": result.rate,
        "grad_norm": result.grad_norm,
        "tokens": result.tokens,
        "targets": result.targets,
        "tiles": result.tiles,
        "tokens_per_s": round(result.tokens / max(seconds, 1e-9), 1),
        "kinds": result.kinds,
    }
    extras = {name: getattr(result, name) for name in ("distil", "cells", "patches", "places", "numbers", "looks")}
    return line | {name: value for name, value in extras.items() if value}


def cut(path: Path, done: int) -> None:
    """Keep the lines of steps up to `done`; a half-written last line goes too."""
    if not path.is_file():
        return
    files.write(path, "".join(json.dumps(line) + "\n" for line in read(path) if line["step"] <= done))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a metrics file."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            if text.endswith("\n"):
                yield json.loads(text)


def last_loss(path: Path, lines: int = 20) -> float | None:
    """Mean loss of the last lines; None without any."""
    losses = [line["loss"] for line in read(path)][-lines:] if path.is_file() else []
    return sum(losses) / len(losses) if losses else None


def _scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{key}", float(number)) for key, number in value.items())
        elif name != "step":
            yield name, float(value)
