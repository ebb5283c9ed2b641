"""Exact and judged questions in one stage by processes: the same as in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lapis.rl import loop
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl_fleet import Fleet
from lapis.types import Silent
from tests.rl import letters, test_mixed


def test_three_tasks_share_a_batch_in_processes_as_in_one(tmp_path: Path, ray_here: str) -> None:
    test_mixed.write(tmp_path)
    with test_mixed.served() as endpoint:
        stage = replace(test_mixed.STAGE, rewards=test_mixed.rewards(tmp_path, endpoint))
        loop.run(replace(stage, name="inline"), letters.recipe(), tmp_path, Silent())
        fleet_stage.run(replace(stage, fleet=Fleet("sync", judges=2)), letters.recipe(), tmp_path, Silent())
    ours, theirs = test_mixed.check(tmp_path / "rl"), test_mixed.check(tmp_path / "inline")
    assert [near({name: line[name] for name in theirs[0]}) for line in ours] == [near(line) for line in theirs]


def near(line: dict[str, Any]) -> dict[str, Any]:
    """Rewards in seven digits: a reward model that judges another number of answers at once rounds otherwise."""
    rewards = {kind: round(reward, 7) for kind, reward in line["rewards"].items()}
    return {**line, "reward": round(line["reward"], 7), "rewards": rewards}
