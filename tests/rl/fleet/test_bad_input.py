"""What the loop in one process drops, processes drop alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis.rl import loop
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl_fleet import Fleet
from lapis.types import Sample, Silent
from tests.rl import bad, letters


@pytest.mark.parametrize(
    ("asked", "half", "failed", "left_out"),
    [
        (bad.questions(), False, dict.fromkeys(bad.FAILED, 2), bad.LEFT_OUT),
        (letters.choices(0, 12), True, {bad.HALF: 24}, {}),
    ],
    ids=["questions", "answers"],
)
def test_bad_samples_are_dropped_as_in_one_process(
    asked: list[Sample], half: bool, failed: dict[str, int], left_out: dict[str, int], tmp_path: Path, ray_here: str
) -> None:
    letters.write(tmp_path, asked, half)
    stage = replace(letters.STAGE, rewards=bad.REWARDS)
    loop.run(replace(stage, name="inline"), letters.recipe(), tmp_path, Silent())
    fleet_stage.run(replace(stage, fleet=Fleet("sync", slots=4)), letters.recipe(), tmp_path, Silent())
    ours, theirs = (lines(tmp_path / name) for name in ("rl", "inline"))
    assert [{name: line[name] for name in theirs[0]} for line in ours] == theirs
    done = [json.loads((tmp_path / name / "done.json").read_text()) for name in ("rl", "inline")]
    assert done[0] == done[1] and done[0]["failed"] == failed and done[0]["left_out"] == left_out


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
