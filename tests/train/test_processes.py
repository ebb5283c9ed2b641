"""Stages over real processes: the same training, killed or hung ones that go on, and other numbers of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lapis import config
from lapis.dist import processes
from lapis.dist.guard import Spike, Spikes, Stop
from lapis.train import stages, step
from lapis.types import Batch, InputError, Progress
from tests.train import world

STEPS, EVERY, FATAL = 6, 2, 3
needs_deepspeed = pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")
TWO, THREE = (
    pytest.param({"engine": "deepspeed", "zero": stage}, marks=needs_deepspeed, id=f"ZeRO-{stage}") for stage in (2, 3)
)
LOSS, WEIGHT = 3e-5, 3e-3
"""Relative, as in tests/dist/test_parallel.py, and absolute after six steps of AdamW at 1e-3, which make a full step of
the sign of a gradient that is nearly none."""
PACK = config.Pack(row_tokens=96, rows=2, tiles=8)
STAGE = config.Train(
    "whole",
    None,
    {"screen": 1.0, "prose": 1.0},  # not in the order of letters, which must not matter on the way to a process
    STEPS,
    PACK,
    config.Optim(muon=2.0),
    cell_weight=0.3,
    checkpoint_every=EVERY,
)


def recipe(processes: int, **changes: Any) -> config.Recipe:
    return replace(world.recipe(STAGE), dist=config.Dist(nproc=processes, **changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("data")
    world.make_data(run)
    return run


def run_of(data: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").symlink_to(data / "data")
    return folder


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "whole" / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = run_of(data, tmp_path_factory.mktemp("alone"))
    torch.set_num_threads(1)
    stages.run_entry(STAGE, recipe(1), run, world.Seen())
    return run


def assert_same(run: Path, alone: Path) -> None:
    assert [line["step"] for line in lines(run)] == list(range(1, STEPS + 1))
    for mine, one in zip(lines(run), lines(alone), strict=True):
        for key in ("loss", "lm", "cells"):
            assert mine.get(key, 0) == pytest.approx(one.get(key, 0), rel=LOSS)
        assert (mine["tokens"], mine["tiles"]) == (one["tokens"], one["tiles"])
    expected = load_file(alone / "whole" / "model" / "model.safetensors")
    for name, found in load_file(run / "whole" / "model" / "model.safetensors").items():
        torch.testing.assert_close(found, expected[name], rtol=0, atol=WEIGHT, msg=name)
    summary, other = (json.loads((one / "whole" / "done.json").read_text()) for one in (run, alone))
    assert summary["heldout"] == pytest.approx(other["heldout"], rel=1e-3) and summary["tokens"] == other["tokens"]


ROWS, TOKENS = pytest.param({}, id="rows"), pytest.param({"cp": 2}, id="tokens")


@pytest.mark.parametrize("shape", [ROWS, TOKENS])
def test_two_processes_train_like_one(shape: dict[str, Any], data: Path, alone: Path, tmp_path: Path) -> None:
    run, seen = run_of(data, tmp_path / "run"), world.Seen()
    stages.run_entry(STAGE, recipe(2, **shape), run, seen)
    assert_same(run, alone)
    assert seen.steps == STEPS


def once(folder: Path) -> bool:
    """True for the first process that asks."""
    try:
        (folder / "died").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def fatal(recipe: config.Recipe, run: Path, name: str, progress: Progress, how: Any) -> None:
    """The stage's work, with one thing going wrong in one process at one step, once."""
    inner = step.Trainer.step

    def broken(self: step.Trainer, batch: Batch, number: int, scale: float) -> step.Result:
        if number == FATAL and self.mesh.rank == 1 and once(run):
            how()
        return inner(self, batch, number, scale)

    step.Trainer.step = broken  # type: ignore[method-assign]
    stages.work(recipe, run, name, progress)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    time.sleep(3600)


def killed(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    fatal(recipe, run, name, progress, kill)


def hung(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    fatal(recipe, run, name, progress, hang)


@pytest.mark.parametrize("work", [killed, hung])
def test_a_process_that_dies_or_hangs_costs_no_step(work: Any, data: Path, alone: Path, tmp_path: Path) -> None:
    run, seen = run_of(data, tmp_path / "run"), world.Seen()
    processes.run(work, recipe(2, patience=8.0, grace=2), run, "whole", seen)
    assert (run / "died").is_file() and seen.steps == STEPS
    assert_same(run, alone)
    spent = json.loads((run / "whole" / "done.json").read_text())["time"]
    assert len(spent["back"]) == 1 and spent["lost"] > 0 and 0 < spent["goodput"] < 1
    assert sum(spent[name] for name in ("productive", "checkpoint", "restart", "lost")) <= spent["wall"] * 1.01


def spiked(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    """The stage's work, with a loss far too high at one step, once."""
    inner, left = Spikes.check, [FATAL]

    def strict(self: Spikes, number: int, loss: float) -> None:
        if number in left:
            left.remove(number)
            raise Spike(number, "loss is too high")
        inner(self, number, loss)

    Spikes.check = strict  # type: ignore[method-assign]
    stages.work(recipe, run, name, progress)


@pytest.mark.parametrize("shape", [THREE])
def test_a_spike_is_tried_again_from_the_last_checkpoint(
    shape: dict[str, Any], data: Path, alone: Path, tmp_path: Path
) -> None:
    run, seen = run_of(data, tmp_path / "run"), world.Seen()
    processes.run(spiked, recipe(2, restarts=0, **shape), run, "whole", seen)
    assert_same(run, alone)
    assert seen.steps == STEPS


def test_without_restarts_left_it_is_told(data: Path, tmp_path: Path) -> None:
    run = run_of(data, tmp_path / "run")
    with pytest.raises(RuntimeError, match="whole: a process died"):
        processes.run(killed, recipe(2, restarts=0), run, "whole", world.Seen())


@pytest.mark.parametrize("shape", [ROWS, TWO])
def test_another_number_of_processes_goes_on(shape: dict[str, Any], data: Path, alone: Path, tmp_path: Path) -> None:
    run = run_of(data, tmp_path / "run")
    with pytest.raises(RuntimeError):
        processes.run(killed, recipe(2, restarts=0, **shape), run, "whole", world.Seen())
    assert [line["step"] for line in lines(run)] == list(range(1, FATAL + 1))
    stages.run_entry(STAGE, recipe(1), run, world.Seen())
    assert_same(run, alone)


def stopped(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    fatal(recipe, run, name, progress, lambda: os.kill(os.getppid(), signal.SIGTERM))


def test_sigterm_saves_and_the_same_command_goes_on(data: Path, alone: Path, tmp_path: Path) -> None:
    run = run_of(data, tmp_path / "run")
    with Stop() as here:
        processes.run(stopped, recipe(2, restarts=0), run, "whole", world.Seen())
        assert here.wanted
        here.wanted = False
    saved = sorted(path.name for path in (run / "whole" / "checkpoint").iterdir())
    assert int(saved[-1].removeprefix("step-")) > FATAL and len(lines(run)) < STEPS
    stages.run_entry(STAGE, recipe(2), run, world.Seen())
    assert_same(run, alone)


def unlike(recipe: config.Recipe, run: Path, alone: Path) -> tuple[config.Recipe, str]:
    """No sample of the mixture."""
    return replace(recipe, stages=(replace(STAGE, mixture={"caption": 1.0}),)), "no samples of caption"


def unmatched(recipe: config.Recipe, run: Path, alone: Path) -> tuple[config.Recipe, str]:
    """A checkpoint of a wider network."""
    shutil.copytree(alone / "whole" / "checkpoint", run / "whole" / "checkpoint")
    model = replace(recipe.model, decoder=replace(recipe.model.decoder, width=64))
    named = r"a checkpoint of another model: model\.adapter\.fc2\.bias is \[32\] there, expected \[64\]"
    return replace(recipe, model=model), named


def misread(recipe: config.Recipe, run: Path, alone: Path) -> tuple[config.Recipe, str]:
    """Shards by another tokenizer."""
    index = json.loads((run / "data" / "shards" / "index.json").read_text())
    root, ours = run / "shards", index["tokenizer"]
    shutil.copytree(run / "data" / "shards", root)
    (root / "index.json").write_text(json.dumps(index | {"tokenizer": "0123456789ab"}))
    return replace(recipe, data=replace(recipe.data, shards=str(root))), f"0123456789ab.*{ours[:12]}"


@pytest.mark.parametrize("wrong", [unlike, unmatched, misread])
def test_wrong_input_in_processes_is_one_line_before_the_first_step(
    wrong: Any, data: Path, alone: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_of(data, tmp_path / "run")
    changed, line = wrong(recipe(2), run, alone)
    with pytest.raises(InputError, match=line) as caught:
        stages.run_entry(changed.stages[0], changed, run, world.Seen())
    assert "\n" not in str(caught.value) and str(caught.value) not in "".join(capfd.readouterr())
    assert not (run / "whole" / "metrics.jsonl").exists()
