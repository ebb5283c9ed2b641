"""Where time went: accounts of made events, and of a stage that was killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lapis.train.ledger import NAME, Event, Ledger, account, read


def test_a_start_that_was_never_cut() -> None:
    events = [Event("start", 100), Event("working", 103), Event("saved", 110, seconds=0.5), Event("ended", 120)]
    found = account(events, productive=15.0)
    assert (found.wall, found.restart, found.checkpoint, found.lost, found.back) == (20, 3, 0.5, 0, ())
    assert found.goodput == pytest.approx(0.75) and found.other == 1.5


def test_a_death_costs_the_steps_since_the_checkpoint_and_the_way_back() -> None:
    events = [
        Event("start", 100),
        Event("working", 102),
        Event("saved", 110, seconds=1.0),
        Event("start", 125, last=117),  # died at about 117, seven seconds after its checkpoint
        Event("working", 130),
        Event("ended", 150),
    ]
    found = account(events, productive=28.0)
    assert (found.wall, found.restart, found.lost, found.back) == (50, 2 + 13, 7, (13,))
    told = "goodput 56.0% (productive 28.0 s, checkpoint 1.0 s, restart 15.0 s, lost 7.0 s, other 0.0 s)"
    assert found.words() == told + "; from death to the next step 13.0 s"


def test_a_stage_that_was_told_to_end_counts_no_pause() -> None:
    events = [Event("start", 0), Event("working", 1), Event("ended", 10), Event("start", 1000), Event("ended", 1010)]
    assert account(events, 0.0).wall == 20


def test_the_last_line_of_metrics_is_when_it_died(tmp_path: Path) -> None:
    now = [50.0]
    ledger = Ledger(tmp_path, clock=lambda: now[0])
    ledger.start()
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    os.utime(tmp_path / "metrics.jsonl", (60.0, 60.0))
    now[0] = 70.0
    ledger.start()
    ledger.ended()
    ledger.start()
    assert [event.last for event in read(tmp_path / NAME)] == [0.0, 60.0, 0.0, 0.0]
    with (tmp_path / NAME).open("a") as file:
        file.write('{"what": "sav')
    assert len(read(tmp_path / NAME)) == 4
    Ledger(tmp_path, writes=False).start()
    assert len(read(tmp_path / NAME)) == 4
