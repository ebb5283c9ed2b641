"""The timeline of RL's processes in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapis import files
from lapis.report_parts.processes import processes
from lapis.rl.fleet.trace import Span, idle, write


def test_lanes_and_idle_shares_of_a_trace(tmp_path: Path) -> None:
    assert processes(tmp_path) == ""
    spans = [Span("engine 0", "decode", 10, 14), Span("trainer", "update", 14, 20)]
    write(tmp_path / "trace.json", spans)
    files.write_json(tmp_path / "idle.json", idle(spans, [Span("trainer", "rollouts", 10, 20)]))
    page = processes(tmp_path)
    assert page.count("<rect") == 2 and "engine 0" in page and "decode: 4000.0 ms" in page
    assert "60% idle" in page and "40% idle" in page


@pytest.mark.parametrize("many", [1, 40])
def test_only_the_end_of_a_long_run_is_drawn(tmp_path: Path, many: int) -> None:
    spans = [Span("engine 0", "decode", 2.0 * number, 2.0 * number + 1) for number in range(many)]
    write(tmp_path / "trace.json", spans)
    files.write_json(tmp_path / "idle.json", {})
    assert processes(tmp_path).count("<rect") == min(many, 15)
