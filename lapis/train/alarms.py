"""Alarms of a stage and the faults that ended an attempt: told in the log, and kept in `alarms.jsonl` with their time.

Unusual: a resumed stage cuts nothing here. What happened, happened, and a step that was done twice may alarm twice.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from lapis import files
from lapis.dist.guard import Fault
from lapis.train.monitor import Alarms

log = logging.getLogger(__name__)

NAME = "alarms.jsonl"


class Told:
    """A context manager around an attempt; of several processes one speaks and writes."""

    def __init__(self, folder: Path, stage: str, speaks: bool = True):
        self.path, self.stage, self.speaks = folder / NAME, stage, speaks
        self.rules = Alarms()

    def __enter__(self) -> Told:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Fault):
            self._keep(error.step + 1, error.reason)

    def check(self, line: dict[str, Any]) -> None:
        """Tell and keep what is wrong with a step, by its metrics line."""
        for alarm in self.rules.check(line):
            self._keep(line["step"], alarm)
            if self.speaks:
                log.warning("%s, step %d: %s", self.stage, line["step"], alarm)

    def _keep(self, step: int, alarm: str) -> None:
        if self.speaks:
            files.append(self.path, {"step": step, "at": time.time(), "alarm": alarm})
