"""What is told of a step of RL: metrics, alarms and rules that stop a run, and the timeline of all processes."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapis import config, files
from lapis.rl import figures
from lapis.rl.fleet import trace
from lapis.rl.fleet.pool import Step
from lapis.rl.fleet.trainer import NAME
from lapis.train.alarms import NAME as ALARMS

if TYPE_CHECKING:
    from lapis.rl.fleet.crew import Crew

log = logging.getLogger(__name__)

IN_A_ROW = 3
"""Steps past `fleet.stop` that end a run."""
TRACE, IDLE = "trace.json", "idle.json"
"""Files of the timeline."""
Json = dict[str, Any]


def facts(step: Step, number: int, crew: Crew) -> Json:
    """A metrics line's share of what the pool and the crew know. Staleness is in steps: the trainer's version less that
    of the weights that wrote a trained token."""
    ages = [
        number - version
        for slot in step.kept
        if slot.group is not None
        for answer, versions in zip(slot.group.answers, slot.versions, strict=True)
        for version, forced in zip(versions, answer.forced, strict=True)
        if not forced
    ]
    return {
        **figures.line(step.seen, step.judged),
        "groups": len(step.kept),
        "asked": len(step.seen),
        "staleness": sum(ages) / max(len(ages), 1),
        "staleness_max": max(ages, default=0),
        "dropped": step.dropped,
        "weights_seconds": round(crew.sent.seconds, 4),
        "weights_mb": round(crew.sent.megabytes, 3),
    }


class Watch:
    """Looks at each step's line, and keeps the timeline's files."""

    def __init__(self, stage: config.RL, folder: Path):
        self.stage, self.folder = stage, folder
        self._in_a_row = 0

    def check(self, line: Json, step: Step) -> str:
        """Tell and keep an alarm. Returns why the run must stop; empty where it need not."""
        fleet, mismatch = self.stage.fleet, line["mismatch_kl"]
        if mismatch > fleet.alarm:
            self._alarm(line["step"], f"mismatch of {mismatch:.3g} nats a token between trainer and engines")
        self._in_a_row = self._in_a_row + 1 if mismatch > fleet.stop else 0
        if self._in_a_row == IN_A_ROW:
            return f"mismatch KL over {fleet.stop:g} for {IN_A_ROW} steps; lower its learning rate, or fleet.staleness"
        return step.fault

    def broken(self, fault: str, step: int, facts: Json) -> str:
        """Count a step whose loss was no finite number. Returns why the run must stop: it is the second one."""
        if not fault:
            return ""
        facts["broken"] += 1
        self._alarm(step, fault)
        return f"{fault}, for the second time; lower its learning rate" if facts["broken"] > 1 else ""

    def _alarm(self, step: int, text: str) -> None:
        log.warning("%s, step %d: %s", self.stage.name, step, text)
        files.append(self.folder / ALARMS, {"step": step, "at": time.time(), "alarm": text})

    def write(self, crew: Crew) -> None:
        """Chrome's trace of the newest spans, and who was idle why."""
        spans = list(crew.spans)
        trace.write(self.folder / TRACE, spans)
        first = min((span.begin for span in spans), default=0.0)
        last = max((span.end for span in spans), default=0.0)
        causes = [one for one in crew.causes if one.end > first]
        causes.append(trace.Span(NAME, "rollouts", first, last))
        files.write_json(self.folder / IDLE, trace.idle(spans, causes))
