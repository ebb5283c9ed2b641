"""Every process of RL is killed at several moments: the run goes on, and nothing is done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lapis.rl.fleet import stage as fleet_stage
from lapis.types import Silent
from tests.conftest import ROOT, environment
from tests.rl.fleet.chaos import Chaos, processes, trained
from tests.rl.fleet.checks import threes
from tests.rl.fleet.small import LONG, RECIPE, lines

KILLS = (
    "answered:5:EngineProcess",
    "answered:20:JudgeProcess",
    "sending:2:EngineProcess",
    "updating:3:TrainerProcess",
    "saving:3:TrainerProcess",
)


def check(run: Path) -> None:
    """All steps once, no question twice, staleness within its bound; a timeline of all processes is left."""
    told = lines(run)
    assert [line["step"] for line in told] == list(range(1, LONG.steps + 1))
    steps = trained(run / "log.jsonl")
    assert {step: len(places) for step, places in steps.items()} == {line["step"]: line["groups"] for line in told}
    assert any(steps.values())
    assert 0 < max(line["staleness_max"] for line in told) <= LONG.fleet.staleness + LONG.fleet.carry
    assert all(0 < line["ess"] <= 1 for line in told if line["tokens"])
    assert all(line["failed"] == 0 for line in told), "a judge that dies costs no answer"
    assert all(line["rewards"].keys() == {"math/arith"} for line in told if line["asked"])
    assert json.loads((run / "rl" / "done.json").read_text())["steps"] == LONG.steps
    events = json.loads((run / "rl" / "trace.json").read_text())["traceEvents"]
    assert {"decode", "update", "weights", "copy"} <= {one["name"] for one in events}
    idle = json.loads((run / "rl" / "idle.json").read_text())
    assert all(0 <= share <= 1 for shares in idle.values() for share in shares.values()) and "trainer" in idle


def test_engines_judges_and_trainers_may_die(run: Path, ray_here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that writes, one that gets weights, a judge, a trainer's rank at an update, and one at a checkpoint."""
    chaos = Chaos(run / "log.jsonl", KILLS)
    chaos.watch(monkeypatch)
    fleet_stage.run(replace(LONG, fleet=replace(LONG.fleet, ranks=2)), RECIPE, run, Silent(), threes)
    assert not chaos.kills
    check(run)


def test_the_orchestrator_may_die(run: Path, ray_here: str) -> None:
    """While answers come, on a Ray of its own that dies with it; before a checkpoint is written, on a cluster that
    stays and is rid of its processes; the third start goes on to the end."""
    first = started(run, "-", "answered:20:me")
    assert first.wait() == -signal.SIGKILL
    wait_until(lambda: not of_session(first.pid))
    second = started(run, ray_here, "saving:1:me")
    assert second.wait() == -signal.SIGKILL
    wait_until(lambda: not any(processes(name) for name in ("Engine", "Judge", "Trainer")))
    assert started(run, ray_here).wait() == 0
    check(run)


def started(run: Path, address: str, *kills: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.rl.fleet.chaos", str(run), address, *kills]
    return subprocess.Popen(words, cwd=ROOT, env=environment(), start_new_session=True)


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.05)


def of_session(leader: int) -> list[int]:
    """Processes that a process and its children started, where they have not left its session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(int(path.parent.name))
    return found
