"""Real seconds over several starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapis.timeline import NAME, Timeline
from lapis.types import InputError


class Clock:
    def __init__(self, now: float = 0.0):
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_seconds_add_up_over_starts(tmp_path: Path) -> None:
    clock = Clock()
    for begin, end in ((0.0, 10.0), (100.0, 130.0)):
        clock.now = begin
        with Timeline(tmp_path, clock) as timeline:
            with timeline.stage("text"):
                clock.now = end - 2
            clock.now = end
    tree = json.loads((tmp_path / NAME).read_text())
    assert (tree["total"], tree["text"]) == (40.0, [[0.0, 8.0], [100.0, 128.0]])
    assert Timeline(tmp_path, clock).seconds("text") == 36.0


def test_a_killed_start_counts_until_its_last_beat(tmp_path: Path) -> None:
    clock = Clock()
    killed = Timeline(tmp_path, clock)
    killed.__enter__()
    killed.stage("text").__enter__()
    clock.now = 7.0
    killed.beat()
    clock.now = 1000.0
    assert Timeline(tmp_path, clock).seconds("text") == 7.0


def test_a_stage_that_fails_keeps_its_seconds(tmp_path: Path) -> None:
    clock = Clock()
    with pytest.raises(InputError), Timeline(tmp_path, clock) as timeline, timeline.stage("data"):
        clock.now = 5.0
        raise InputError("font: missing")
    assert json.loads((tmp_path / NAME).read_text())["data"] == [[0.0, 5.0]]


def test_a_stage_done_anew_begins_at_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with Timeline(tmp_path, clock) as timeline:
        with timeline.stage("text"):
            clock.now = 5.0
        timeline.forget("text")
    tree = json.loads((tmp_path / NAME).read_text())
    assert tree == {"total": 5.0, "starts": [[0.0, 5.0]]}


@pytest.mark.parametrize("text", ["", "[]", '{"stages": {}}', '{"starts": 3', "null"])
def test_a_broken_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match="timeline.json"):
        Timeline(tmp_path)
