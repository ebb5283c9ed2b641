"""The stage on Ray: synchronous it is the loop in one process, token for token; on two nodes it is the same."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lapis.rl import loop
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl_fleet import Fleet
from lapis.types import InputError, Silent
from tests.rl.conftest import SECOND
from tests.rl.fleet.chaos import Chaos, ancestors, processes
from tests.rl.fleet.checks import threes, throwing
from tests.rl.fleet.small import RECIPE, STAGE, lines, weights


def test_synchronous_is_the_loop_in_one_process_token_for_token(
    run: Path, ray_here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two engines of which one is killed, a judge, a trainer, weights by broadcast: the same lines, bits of weights and
    held-out answers."""
    plan = replace(STAGE, group=2)
    loop.run(replace(plan, name="inline"), RECIPE, run, Silent(), threes)
    chaos = Chaos(run / "log.jsonl", ["answered:9:EngineProcess"])
    chaos.watch(monkeypatch)
    fleet_stage.run(replace(plan, fleet=Fleet("sync", engines=2, slots=4)), RECIPE, run, Silent(), threes)
    assert not chaos.kills
    ours, theirs = lines(run), lines(run, "inline")
    assert len(theirs) == 4 and any(line["asked"] > 3 for line in theirs) and any(line["tokens"] for line in theirs)
    assert [{name: line[name] for name in theirs[0]} for line in ours] == theirs
    assert all(map(torch.equal, weights(run), weights(run, "inline")))
    done = [json.loads((run / name / "done.json").read_text()) for name in ("rl", "inline")]
    assert done[0] == done[1]
    assert {line["staleness_max"] for line in ours} == {0} and ours[-1]["weights_mb"] > 0


def test_an_engine_on_another_node_writes_the_same(run: Path, second_node: subprocess.Popen[bytes]) -> None:
    """The trainer is on the first node, the engine on the second, whose address is another; weights go from one to the
    other."""
    plan, places = replace(STAGE, steps=2, group=2), []
    loop.run(replace(plan, name="inline"), RECIPE, run, Silent(), threes)

    class Looking(Silent):
        def advance(self, steps: int = 1, note: str = "") -> None:
            places.extend(second_node.pid in ancestors(processes(name)[0]) for name in ("Engine", "Trainer"))

    fleet = Fleet("sync", engines_on=SECOND, judges=0)
    fleet_stage.run(replace(plan, fleet=fleet), RECIPE, run, Looking(), threes)
    assert places == [True, False] * 3
    assert all(map(torch.equal, weights(run), weights(run, "inline")))
    assert [line["reward"] for line in lines(run)] == [line["reward"] for line in lines(run, "inline")]


def test_engines_that_no_node_offers_a_place_are_refused(run: Path, ray_here: str) -> None:
    plan = replace(STAGE, fleet=Fleet(engines=2, engines_on="elsewhere"))
    with pytest.raises(InputError, match="engines_on: the cluster offers 0 of 'elsewhere', expected 2"):
        fleet_stage.run(plan, RECIPE, run, Silent(), threes)


def test_checks_that_fail_stop_the_run_with_a_checkpoint(run: Path, ray_here: str) -> None:
    plan = replace(STAGE, refill=0, fleet=Fleet("sync", judges=0))
    with pytest.raises(InputError, match="rl: 12 of the last 12 answers have no verdict, .*: number: ValueError: no"):
        fleet_stage.run(plan, RECIPE, run, Silent(), throwing)
    assert (run / "rl" / "checkpoint" / "step-00000001").is_dir()
