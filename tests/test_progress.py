"""Time left and its words, on a clock that the test moves."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lapis.progress import PRIOR, Bars, Forecast, Task, clock_words

TASKS = (Task("data", 4), Task("text", 7), Task("eval", 2))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_before_any_step_the_estimates_count() -> None:
    forecast = Forecast(TASKS, {})
    forecast.begin("data", 0, now=0.0)
    assert forecast.stage_left(60.0) == pytest.approx(180)
    assert forecast.whole_left(60.0) == pytest.approx(180 + 540)
    assert forecast.stage_share(60.0) == pytest.approx(0.25)


def test_steps_give_the_measured_rate_without_the_start_up() -> None:
    forecast = Forecast(TASKS, {})
    forecast.begin("text", 100, now=0.0)
    forecast.advance(1, now=50.0)
    for step in range(10):
        forecast.advance(1, now=52.0 + 2 * step)
    assert forecast.stage_left(70.0) == pytest.approx(2 * 89)
    assert forecast.stage_share(70.0) == pytest.approx(0.11)


def test_steps_of_an_earlier_start_do_not_quicken_the_rate() -> None:
    forecast = Forecast(TASKS, {})
    forecast.begin("text", 100, now=0.0)
    forecast.advance(80, now=1.0)
    forecast.advance(10, now=21.0)
    assert forecast.stage_left(21.0) == pytest.approx(20.0)


def test_finished_stages_scale_the_estimates_of_the_others() -> None:
    forecast = Forecast(TASKS, {"data": 480.0})
    scale = (480 + PRIOR) / (240 + PRIOR)
    forecast.begin("text", 0, now=0.0)
    assert forecast.whole_left(0.0) == pytest.approx(9 * 60 * scale)
    forecast.finish(now=840.0)
    forecast.begin("eval", 0, now=840.0)
    assert forecast.stage_left(840.0) == pytest.approx(120 * (1320 + PRIOR) / (660 + PRIOR))


def test_a_late_stage_never_says_nothing_is_left() -> None:
    forecast = Forecast(TASKS, {})
    forecast.begin("eval", 0, now=0.0)
    assert forecast.stage_left(600.0) == pytest.approx(60.0)
    assert 0 < forecast.stage_share(600.0) < 1


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")])
def test_clock_words(seconds: float, words: str) -> None:
    assert clock_words(seconds) == words


def test_a_log_gets_a_line_every_ten_seconds_at_most() -> None:
    clock, out = Clock(), io.StringIO()
    with Bars(TASKS, {}, Console(file=out, width=200), clock) as bars, bars.stage("text", 30) as progress:
        for second in range(30):
            clock.now = float(second)
            progress.advance(note=f"loss {second}")
    lines = out.getvalue().splitlines()
    assert [line.rpartition("; ")[2] for line in lines[:-1]] == ["loss 0", "loss 10", "loss 20"]
    assert lines[-1].startswith("text: done in 29 s")


def test_a_terminal_gets_two_bars() -> None:
    clock, out = Clock(), io.StringIO()
    console = Console(file=out, width=120, force_terminal=True)
    with Bars(TASKS, {}, console, clock) as bars, bars.stage("text", 30) as progress:
        progress.advance(15, note="loss 3.14")
        with console.capture() as capture:
            console.print(bars.render())
        shown = capture.get()
    assert "whole" in shown and "text" in shown and "50%" in shown and "loss 3.14" in shown
