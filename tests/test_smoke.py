"""The whole road once: `lapis run pocket --smoke`, killed in the middle and started again, then what it left behind.

The losses are compared twice. Bit for bit with a second walk over the killed stage that nobody interrupted, which is
the promise of DESIGN.md; and within a tolerance with tests/goldens/smoke.txt, because another machine has other
fonts, other documentation packages and other sums. `pytest --update-goldens` writes the goldens anew.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import config
from lapis.types import Progress
from tests.conftest import ROOT, cut_stage, here, lapis

GOLDENS = ROOT / "tests" / "goldens" / "smoke.txt"
TOLERANCE = 0.15
"""Relative difference of a stage's mean loss between machines."""
FIGURES = {
    "wall_seconds",
    "grounding_seen",
    "grounding_unseen",
    "math_think",
    "math_direct",
    "screen_math_think",
    "screen_math_direct",
    "distil_gain",
    "budget_kept",
    "rl_gain",
    "rl_length",
    "grounding_seen_blind",
    "screen_math_think_blind",
}


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines) if "loss" in line]


class Silent:
    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


def test_a_killed_stage_has_the_losses_of_one_that_was_not(smoke: Path, tmp_path: Path) -> None:
    from lapis.train import stages

    stage, recipe = cut_stage(), config.load((smoke / "config.json").read_text(encoding="utf-8"))
    for other in smoke.iterdir():
        if other.is_dir() and other.name != stage.name:
            (tmp_path / other.name).symlink_to(other)
    progress: Progress = Silent()
    stages.run_entry(replace(stage, online=config.Online()), recipe, tmp_path, progress)
    assert losses(tmp_path / stage.name) == losses(smoke / stage.name)
    assert [step for step, _ in losses(smoke / stage.name)] == sorted({step for step, _ in losses(smoke / stage.name)})


def test_losses_are_near_the_goldens(smoke: Path, update_goldens: bool) -> None:
    recipe = config.load((smoke / "config.json").read_text(encoding="utf-8"))
    found = {}
    for stage in recipe.stages:
        if isinstance(stage, config.Train):
            values = [loss for _, loss in losses(smoke / stage.name)]
            found[stage.name] = sum(values) / len(values)
    if update_goldens:
        GOLDENS.write_text("".join(f"{name} {loss:.4f}\n" for name, loss in found.items()), encoding="utf-8")
    lines = GOLDENS.read_text(encoding="utf-8").splitlines()
    goldens = {name: float(loss) for name, loss in map(str.split, lines)}
    assert found == pytest.approx(goldens, rel=TOLERANCE)


def test_the_report_has_its_figures(smoke: Path) -> None:
    read = (smoke / "report.json").read_text(encoding="utf-8")
    report = json.loads(read, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    figures: dict[str, dict[str, Any]] = report["figures"]
    assert set(figures) >= FIGURES
    for figure in figures.values():
        assert {"value", "low", "high", "n", "goal"} <= set(figure)
    html = (smoke / "report.html").read_text(encoding="utf-8")
    assert "<html" in html and 'src="http' not in html and 'href="http' not in html.replace('href="https://arxiv', "")


def test_snapshots_were_measured_beside_training(smoke: Path) -> None:
    stage = cut_stage()
    lines = [json.loads(line) for line in (smoke / stage.name / "online.jsonl").read_text("utf-8").splitlines()]
    last = [line for line in lines if line["step"] == stage.steps]
    assert [f"{line['task']}/{line['mode']}" for line in last] == list(stage.online.tasks)
    assert all(line["n"] == stage.online.samples and 0 <= line["score"] <= 1 for line in lines)
    assert '<section id="beside">' in (smoke / "report.html").read_text(encoding="utf-8")


def test_the_timeline_counts_both_starts(smoke: Path) -> None:
    timeline = json.loads((smoke / "timeline.json").read_text(encoding="utf-8"))
    assert len(timeline["starts"]) == 2
    assert len(timeline[cut_stage().name]) == 2
    stages = sum(
        end - begin for name, parts in timeline.items() if name not in ("total", "starts") for begin, end in parts
    )
    assert 0 < stages <= timeline["total"]


def test_a_second_start_does_nothing(smoke: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke.rglob("*") if path.is_file()}
    assert here("run", "pocket", "--smoke", f"out={smoke}").returncode == 0
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed <= {"config.json", "timeline.json", ".lock"}


def test_another_config_is_refused_in_one_line(smoke: Path) -> None:
    stage = cut_stage()
    done = here("run", "pocket", "--smoke", f"out={smoke}", f"stages.{stage.name}.steps={stage.steps + 1}")
    assert done.returncode == 2 and f"stage {stage.name}: {stage.name}.steps was" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_export_loads_in_stock_transformers(smoke: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    folder = smoke / "export" / "hf"
    model = AutoModelForImageTextToText.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("[|Human|]:1+1?\n[|AI|]:", return_tensors="pt").input_ids
    assert model(input_ids=ids).logits.shape[:2] == ids.shape


def test_chat_answers_without_a_terminal(smoke: Path) -> None:
    done = lapis("chat", str(smoke), "--prompt", "1+1?", "--think", "--budget", "8", "--max-tokens", "40")
    assert done.returncode == 0, done.stderr
    assert "</think>" in done.stdout


def test_chat_reads_a_picture(smoke: Path) -> None:
    from lapis.data import store

    sample = next(iter(store.read_samples(smoke / "data" / "heldout" / "ground_seen.parquet")))
    picture = smoke.parent / "picture.png"
    picture.write_bytes(sample.images[0].data)
    done = here("chat", str(smoke), "--image", str(picture), "--prompt", "Where?", "--max-tokens", "8")
    assert done.returncode == 0, done.stderr


def test_export_writes_elsewhere_and_a_cut_shard_is_one_line(smoke: Path, tmp_path: Path) -> None:
    out = tmp_path / "hf"
    assert here("export", str(smoke), "--to", "hf", f"out={out}").returncode == 0
    weights = next(out.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    done = here("chat", str(out), "--prompt", "1+1?")
    assert done.returncode == 2 and weights.name in done.stderr and done.stderr.count("\n") == 1
    shutil.rmtree(out)
