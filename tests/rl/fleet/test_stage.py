"""The stage on Ray: synchronous it is the loop in one process, token for token; processes may die under it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lapis import config
from lapis.export import hf
from lapis.model import convert, init
from lapis.rl import loop
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl.fleet.pool import Pool, Step
from lapis.rl.rewards.book import Book, Item, Reward
from lapis.rl_fleet import Fleet
from lapis.types import InputError, Verdict
from tests.serve.small import spread
from tests.tiny import tiny_recipe, tiny_tokenizer

RECIPE = replace(tiny_recipe(), dtype="fp32", threads=1, device="cpu")
OPTIM = config.Optim(lr=5e-3, weight_decay=0.0, warmup=0.0, end=1.0)
STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=4, prompts=3, group=4, max_tokens=6, row_tokens=256, optim=OPTIM, held_out=4
)


def by_three(items: Sequence[Item]) -> list[Verdict]:
    """Right is an answer whose tokens add up to a multiple of three: a third of a fresh model's."""
    return [Verdict(float(sum(item.answer.token_ids) % 3 == 0), "") for item in items]


def throws(items: Sequence[Item]) -> list[Verdict]:
    raise ValueError("no")


def book(reward: Reward) -> Book:
    """For a model that writes any bytes."""
    return Book({"number": reward}, unfit=lambda item: "")


def threes() -> Book:
    return book(by_three)


def throwing() -> Book:
    return book(throws)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with data and a model to begin with."""
    from tests.rl.test_loop import write_data

    write_data(tmp_path / "data")
    torch.manual_seed(0)
    hf.write(spread(init.fresh(RECIPE.model, 0)), tiny_tokenizer(), tmp_path / "sft" / "model")
    return tmp_path


class Silent:
    def advance(self, steps: int = 1, note: str = "") -> None: ...


def lines(run: Path, name: str = "rl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / name / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path, name: str = "rl") -> list[torch.Tensor]:
    return [parameter.detach() for parameter in convert.read(run / name / "model").parameters()]


def test_synchronous_is_the_loop_in_one_process_token_for_token(run: Path, ray_here: None) -> None:
    """Two engines of which one is killed, a judge, a trainer, weights by broadcast: the same lines, bits of weights and
    held-out answers."""
    plan = replace(STAGE, group=2)
    loop.run(replace(plan, name="inline"), RECIPE, run, Silent(), threes)
    fleet_stage.run(
        replace(plan, fleet=Fleet("sync", engines=2, slots=4)), RECIPE, run, Killing({3: "EngineProcess"}), threes
    )
    ours, theirs = lines(run), lines(run, "inline")
    assert len(theirs) == 4 and any(line["asked"] > 3 for line in theirs) and any(line["tokens"] for line in theirs)
    assert [{name: line[name] for name in theirs[0]} for line in ours] == theirs
    assert all(map(torch.equal, weights(run), weights(run, "inline")))
    done = [json.loads((run / name / "done.json").read_text()) for name in ("rl", "inline")]
    assert done[0] == done[1]
    assert {line["staleness_max"] for line in ours} == {0} and ours[-1]["weights_mb"] > 0


def test_asynchronous_goes_on_from_its_checkpoint_when_the_trainer_is_killed(
    run: Path, ray_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step once, no answer trained twice, staleness within its bound; a timeline of all processes is left."""
    trained: dict[int, list[int]] = {}
    take = Pool.take

    def taken(pool: Pool) -> Step:
        step = take(pool)
        trained[pool.steps] = [slot.place for slot in step.kept]
        return step

    monkeypatch.setattr(Pool, "take", taken)
    plan = replace(STAGE, steps=5, checkpoint_every=2, fleet=Fleet("async", slots=8, judges=0, carry=2))
    fleet_stage.run(plan, RECIPE, run, Killing({3: "TrainerProcess"}), threes)
    told = lines(run)
    assert [line["step"] for line in told] == [1, 2, 3, 4, 5]
    assert [len(trained[line["step"]]) for line in told] == [line["groups"] for line in told]
    places = [place for step in trained.values() for place in step]
    assert places and len(places) == len(set(places))
    assert 0 < max(line["staleness_max"] for line in told) <= plan.fleet.staleness + plan.fleet.carry
    assert all(0 < line["ess"] <= 1 for line in told if line["tokens"])
    events = json.loads((run / "rl" / "trace.json").read_text())["traceEvents"]
    assert {"decode", "update", "weights", "copy"} <= {one["name"] for one in events}
    idle = json.loads((run / "rl" / "idle.json").read_text())
    assert all(0 <= share <= 1 for shares in idle.values() for share in shares.values()) and "trainer" in idle


def test_checks_that_fail_stop_the_run_with_a_checkpoint(run: Path, ray_here: None) -> None:
    plan = replace(STAGE, refill=0, fleet=Fleet("sync", judges=0))
    with pytest.raises(InputError, match="rl: 12 of the last 12 answers have no verdict, .*: number: ValueError: no"):
        fleet_stage.run(plan, RECIPE, run, Silent(), throwing)
    assert (run / "rl" / "checkpoint" / "step-00000001").is_dir()


class Killing(Silent):
    """Progress that kills a process of ours by its actor's name, at some advances."""

    def __init__(self, kills: dict[int, str]):
        self.kills, self.advances = dict(kills), 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.advances += 1
        if name := self.kills.pop(self.advances, ""):
            os.kill(processes(name)[0], signal.SIGKILL)


def processes(name: str) -> list[int]:
    """Numbers of the actors of a class that this process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            if words.startswith(f"ray::{name}".encode()) and os.getpid() in ancestors(int(folder.name)):
                found.append(int(folder.name))
    return sorted(found)


def ancestors(process: int) -> list[int]:
    """Of a process, by /proc."""
    found = []
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(process)
    return found
