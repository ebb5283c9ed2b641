"""What all benches say and are asked: the one JSON line at the end, `run=FOLDER`, and sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lapis.report_parts.inputs import machine
from lapis.report_parts.summary import machine_line


def say(name: str, value: float, goal: float | None, unit: str, baseline: float) -> None:
    """Print the line that ends a bench; `value` and `baseline` are in `unit`."""
    figures = {"value": round(value, 4), "goal": goal, "unit": unit, "baseline": round(baseline, 4)}
    print(json.dumps({"name": name, **figures, "machine": machine_line(machine())}))


def number_of(words: Sequence[str], name: str, usual: int) -> int:
    """The whole number that `name=N` says, if any."""
    said = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    return int(said[-1]) if said else usual


def run_of(words: Sequence[str]) -> Path | None:
    """The run folder that `run=FOLDER` names, if any."""
    named = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    return Path(named[-1]) if named else None
