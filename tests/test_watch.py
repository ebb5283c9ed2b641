"""The view of a run from outside: the numbers of its files, while it runs, when it was cut, and when it is done."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from lapis import cli, frame, watch
from lapis.types import InputError
from tests.fake_run import make_run, write, write_lines


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "pocket")


def told(view: watch.Watch, now: float = 0.0) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(view.frame(now))
    return flat(out.getvalue())


def flat(text: str) -> str:
    """Lines with one space between words."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def test_a_frame_has_the_numbers_of_the_files(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["watch", str(run), "--once", "--stage", "sft"]) == 0
    text = flat(capsys.readouterr().out)
    lines = [json.loads(line) for line in (run / "sft" / "metrics.jsonl").read_text().splitlines()]
    loss = sum(line["loss"] for line in lines[-20:]) / 20
    words = sum(line["kinds"]["math/word"] for line in lines[-20:]) / 20
    for wanted in (
        "step 300 of 400",
        f"loss {loss:.4f}",
        "tokens/s 4,096",
        "MFU 24.4%",
        "imbalance 3.1%",
        "rate vit 2.40e-05",
        "rate decoder 2.80e-05",
        "passes math 1.50",
        f"math/word {words:.4f} ",
        "(cells) 4.1000 ",
        "norms at step 281",
        "decoder.layers.0 71.4 0.47 0.08 0.001 0.005 7e-05",
        "math/think 300 62.5% 57% to 68% 24 ",
        "sft 77 gradient norm 60, and 5.7 is usual",
        "goodput 65.2%",
        "time lost 50.0 s",
        "death to next step 17.0 s",
    ):
        assert wanted in text


def test_the_stage_at_work_is_shown_with_the_time_left(run: Path) -> None:
    (run / "sft" / "done.json").unlink()
    (run / "rl" / "done.json").unlink()
    beat = json.loads((run / "timeline.json").read_text())["starts"][-1][1]
    text = told(watch.Watch(run), beat + 1)
    assert text.splitlines()[0] == f"pocket {run} running sft"
    assert "75% 50 s left" in text, "100 steps of half a second are left"
    assert "stopped" in told(watch.Watch(run), beat + 60).splitlines()[0]


def test_a_finished_run_shows_the_last_stage_that_trained(run: Path) -> None:
    write(run / "eval" / "done.json", {})
    text = told(watch.Watch(run))
    assert text.splitlines()[0].endswith("done rl") and "reward 0." in text


def test_lines_are_read_as_they_come_and_anew_where_a_stage_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = watch.Lines(path)
    assert lines.read() == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [line["step"] for line in lines.read()] == [1, 2]
    with path.open("a") as file:
        file.write('ep": 3}\n')
    assert [line["step"] for line in lines.read()] == [1, 2, 3]
    write_lines(tmp_path / "new", [{"step": 1}, {"step": 9}, {"step": 10}, {"step": 11}])
    (tmp_path / "new").replace(path)
    assert [line["step"] for line in lines.read()] == [1, 9, 10, 11]


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"name": "mine", "stages": [{"name": "text", "op": "train", "steps": 3}]})
    assert "mine" in told(watch.Watch(tmp_path))
    with pytest.raises(InputError, match="sft: no such stage; there are text"):
        watch.Watch(tmp_path, "sft")


def test_a_curve_runs_from_its_lowest_to_its_highest() -> None:
    assert frame.spark([float(at) for at in range(8)]) == "▁▂▃▄▅▆▇█" and frame.spark([]) == ""
    assert len(frame.spark([float(at) for at in range(1000)])) == frame.WIDE and frame.spark([2.0]) == "▁"
