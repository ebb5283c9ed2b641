"""The stage runner: order, resume, refusal to mix configs, one process at a time."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lapis import config, run
from lapis.types import InputError, Progress
from tests.conftest import ROOT, environment
from tests.tiny import tiny_recipe


def steps_of(folder: Path, log: list[str], broken: str = "") -> list[run.Step]:
    """Three steps that write down that they ran; `broken` fails on the way."""

    def work(name: str, progress: Progress) -> None:
        log.append(name)
        progress.advance()
        if name == broken:
            raise InputError(f"{name}: broken")

    return [
        run.Step(name, folder / name, 0.1, lambda progress, name=name: work(name, progress)) for name in ("a", "b", "c")
    ]


def test_steps_run_once_and_in_order(tmp_path: Path) -> None:
    log: list[str] = []
    assert run.perform(steps_of(tmp_path, log), tmp_path)
    assert not run.perform(steps_of(tmp_path, log), tmp_path)
    assert log == ["a", "b", "c"]
    assert all(step.done for step in steps_of(tmp_path, log))


def test_a_step_that_failed_runs_again_and_no_other(tmp_path: Path) -> None:
    log: list[str] = []
    with pytest.raises(InputError, match="b: broken"):
        run.perform(steps_of(tmp_path, log, broken="b"), tmp_path)
    assert run.perform(steps_of(tmp_path, log), tmp_path)
    assert log == ["a", "b", "b", "c"]


def test_walk_has_all_stages_in_the_recipes_order(tmp_path: Path) -> None:
    steps = run.walk(tiny_recipe(), tmp_path)
    assert [step.name for step in steps] == ["data", "text", "join", "sft", "rl", "eval", "export"]
    assert [step.total() for step in steps[1:5]] == [2, 0, 2, 1]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["stages.sft.parent=nope"], "sft.parent: no stage 'nope' before it"),
        (["stages.text.parent=sft"], "text.parent: no stage 'sft' before it"),
        (["eval.parent=data"], "eval.parent: no stage 'data'"),
        (["stages.sft.name=text"], "stage 'text'"),
        (["stages.sft.name=../x"], "stage '../x'"),
        (["stages.sft.name=total"], "stage 'total'"),
        (["stages.sft.mixture.scren=1"], "stages.sft.mixture.scren: no such kind; there are prose"),
        (["stages.sft.epochs.maths=2"], "stages.sft.epochs.maths: no such kind"),
        (["model.vit.tile=30"], "model.vit.tile: 30, expected a multiple of"),
        (["model.vit.heads=5"], "model.vit.heads: 5, expected a divisor of width"),
        (["teacher.heads=3", "teacher.kv_heads=2"], "teacher.heads: 3, expected a multiple of kv_heads 2"),
        (["model.decoder.head_dim=7"], "model.decoder.head_dim: 7, expected an even number"),
        (["data.vocab=100000"], "model.decoder.vocab: "),
        (["teacher.vocab=20"], "teacher.vocab: 20, expected data.vocab"),
        (["model.adapter.shuffle=1"], "model.adapter.shuffle: 1, expected 2"),
        (["model.image_token=3"], "model.image_token: 3, expected 10"),
        (["dist.nodes=2"], "dist.rendezvous: '', expected host:port"),
        (["dist.nodes=2", "dist.rendezvous=head"], "dist.rendezvous: 'head', expected host:port"),
        (["dist.nodes=2", "dist.rendezvous=head:1", "dist.node=2"], "dist.node: 2, with 2 in dist.nodes"),
        (["dist.nodes=2", "dist.rendezvous=head:1", "dist.least=3"], "dist.least: 3, with 2 in dist.nodes"),
        (["dist.nodes=3", "dist.rendezvous=head:1", "dist.cp=2"], "stage text: dist.nproc: 3 processes, expected"),
        (['stages.text.online.tasks=["math/slow"]'], "stages.text.online.tasks: no math/slow; there are ground_seen/"),
        (["stages.rl.optim.lr_vit=0.5"], "stages.rl.optim.lr_vit: RL trains the decoder alone"),
        *([] if torch.cuda.is_available() else [(["device=cuda"], "device: cuda is not available here")]),
    ],
)
def test_a_recipe_has_to_hold_together(tmp_path: Path, words: list[str], named: str) -> None:
    with pytest.raises(InputError) as caught:
        run.walk(config.resolve(tiny_recipe(), words), tmp_path)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("word", "named"),
    [("eval.screenspot=nowhere", "nowhere: expected a folder with ScreenSpot"), ("data.texts=nowhere", "nowhere: ")],
)
def test_a_folder_that_is_not_there_is_told_before_any_work(tmp_path: Path, word: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        run.run(config.resolve(tiny_recipe(), [word]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_machine_without_fonts_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="fc-list: not found"):
        run.run(tiny_recipe(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def begun(folder: Path, *stages: str) -> None:
    (folder / "config.json").write_text(config.dump(tiny_recipe()), encoding="utf-8")
    for name in stages:
        (folder / name).mkdir()


@pytest.mark.parametrize(
    ("word", "refused"),
    [
        ("stages.text.steps=3", "stage text: text.steps was 2 when it began and is 3 now"),
        ("stages.text.optim.lr=0.5", "stage text: text.optim.lr was"),
        ("stages.text.mixture.caption=1", "stage text: text.mixture.caption was null"),
        ("data.screens=5", "stage data: data.screens was 4"),
        ("seed=1", "stage data: seed was 0"),
        ("model.decoder.layers=3", "stage data: model.decoder.layers was 2"),
        ("stages.sft.steps=3", ""),
        ("stages.text.minutes=9", ""),
        ("stages.text.online.every=9", ""),
        ("threads=2", ""),
    ],
)
def test_a_begun_stage_keeps_its_config(tmp_path: Path, word: str, refused: str) -> None:
    begun(tmp_path, "data", "text")
    recipe = config.resolve(tiny_recipe(), [word])
    if not refused:
        run.unchanged(recipe, run.walk(recipe, tmp_path), tmp_path)
        return
    with pytest.raises(InputError) as caught:
        run.unchanged(recipe, run.walk(recipe, tmp_path), tmp_path)
    assert refused in str(caught.value) and "\n" not in str(caught.value)


def test_a_refused_start_changes_nothing(tmp_path: Path) -> None:
    begun(tmp_path, "data")
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(InputError):
        run.run(config.resolve(tiny_recipe(), ["seed=1"]), tmp_path)
    with pytest.raises(InputError, match="seed was 0"):
        run.run(config.resolve(tiny_recipe(), ["seed=1"]), tmp_path, restart="text")
    with pytest.raises(InputError, match="nope: no such stage"):
        run.run(tiny_recipe(), tmp_path, restart="nope")
    assert (tmp_path / "config.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "data", ".lock"}


def test_restart_throws_away_the_stage_and_all_later_ones(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    begun(tmp_path, "data", "text", "sft", "rl", "eval")
    run.forget(run.walk(recipe, tmp_path), "sft", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "data", "text"}


HOLD = """
import sys
from pathlib import Path
from lapis.run import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, env=environment(), text=True, **pipes) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {other.pid} is at work"):
            run.run(tiny_recipe(), tmp_path)
        other.communicate("")
    with run.locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_run_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run.run(tiny_recipe(), tmp_path / "file")


def test_another_recipe_does_not_go_into_the_folder(tmp_path: Path) -> None:
    begun(tmp_path, "data")
    other = dataclasses.replace(tiny_recipe(), name="other")
    with pytest.raises(InputError, match='name was "tiny"'):
        run.unchanged(other, run.walk(other, tmp_path), tmp_path)
