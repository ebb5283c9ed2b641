"""Spans, idle shares by hand, and Chrome's form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapis.rl.fleet.trace import Span, Spans, idle, write


def test_idle_shares_by_hand() -> None:
    spans = [Span("engine", "decode", 0, 4), Span("engine", "decode", 6, 7), Span("trainer", "update", 4, 10)]
    causes = [Span("", "bound", 7, 9), Span("trainer", "rollouts", 0, 10)]
    found = idle(spans, causes)
    assert found["engine"] == pytest.approx({"bound": 0.2, "queue": 0.3})
    assert found["trainer"] == pytest.approx({"bound": 0.0, "rollouts": 0.4, "queue": 0.0})


def test_spans_that_follow_each_other_are_one_and_are_taken_once() -> None:
    spans = Spans("a")
    spans.add("decode", 1.0, 2.0)
    spans.add("decode", 2.001, 3.0)
    spans.add("weights", 3.0, 4.0)
    assert spans.take() == (Span("a", "decode", 1.0, 3.0), Span("a", "weights", 3.0, 4.0)) and spans.take() == ()


def test_a_trace_is_in_chromes_form(tmp_path: Path) -> None:
    write(tmp_path / "trace.json", [Span("b", "decode", 100.5, 101), Span("a", "update", 100, 100.25)])
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [(one["ph"], one["pid"], one["args"]["name"]) for one in events[:2]] == [("M", 0, "a"), ("M", 1, "b")]
    whole = [(one["name"], one["pid"], one["ts"], one["dur"]) for one in events[2:]]
    assert whole == [("update", 0, 0, 250_000), ("decode", 1, 500_000, 500_000)]
