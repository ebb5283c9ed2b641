"""A stage's loop: its files, and runs that were cut, broken or starved of disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lapis.dist.guard import Place
from lapis.model import init
from lapis.train import loop, step
from lapis.types import Batch, InputError
from tests.train import world
from tests.waiting import until

ROOT = Path(__file__).parents[2]
STEPS = 6


@dataclass
class Broken:
    """The real loader, with weights that are no numbers at some steps."""

    inner: loop.Batches
    at: tuple[int, ...]
    until: int = 10**9
    """Batches that are handed out before the reader stops, as a kill would stop it."""

    @property
    def steps(self) -> int:
        return self.inner.steps

    def position(self, step: int) -> dict[str, float]:
        return self.inner.position(step)

    def iterate(self, start: int = 0) -> Iterator[Batch]:
        for number, batch in enumerate(self.inner.iterate(start), start):
            if number >= self.until:
                raise KeyboardInterrupt
            bad = number in self.at
            yield replace(batch, weights_BT=batch.weights_BT * float("nan")) if bad else batch


@dataclass
class Fixed:
    """Held-out losses that need no data."""

    calls: int = 0

    def losses(self, trainer: step.Trainer) -> dict[str, float]:
        self.calls += 1
        return {"prose": float(self.calls)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    world.make_data(run)
    return run


def job(data: Path, folder: Path, at: tuple[int, ...] = (), until: int = 10**9, **changes: object) -> loop.Job:
    stage = world.stage(shape="full", steps=STEPS, cell_weight=0.5, **changes)
    folder.mkdir(parents=True, exist_ok=True)

    def build() -> step.Trainer:
        torch.manual_seed(0)
        return step.build(step.wrap(init.fresh(world.MODEL, 0)), stage, Place(torch.device("cpu"), torch.float32))

    batches = Broken(world.loader(data, {"prose": 0.5, "screen": 0.5}, STEPS), at, until)
    return loop.Job(stage, folder, build, batches, Fixed(), world.Seen())


def lines(folder: Path) -> list[dict]:
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


def exact(folder: Path) -> list[tuple]:
    """Everything of the metrics that is not a time."""
    times = ("tokens_per_s", "seconds", "mfu")
    return [tuple((key, str(value)) for key, value in line.items() if key not in times) for line in lines(folder)]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint's weights and moments, read from its file."""
    return load_file(next(sorted((folder / "checkpoint").iterdir())[-1].glob("*.safetensors")))


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, loop.Finished, loop.Job]:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    work = job(data, folder, eval_every=4, trains=("decoder",))
    return folder, loop.train(work), work


def test_metrics_and_summary(straight: tuple[Path, loop.Finished, loop.Job]) -> None:
    folder, done, work = straight
    written = lines(folder)
    assert [line["step"] for line in written] == list(range(1, STEPS + 1))
    needed = {"step", "loss", "lr", "grad_norm", "tokens", "targets", "tiles", "tokens_per_s", "kinds"}
    needed |= {"seconds", "mfu", "imbalance", "rates", "passes"}
    assert all(needed <= line.keys() for line in written)
    assert [line["heldout"] for line in written if "heldout" in line] == [{"prose": 1.0}, {"prose": 2.0}]
    assert [line["step"] for line in written if "heldout" in line] == [4, 6]
    assert done.summary["steps"] == STEPS and done.summary["heldout"] == {"prose": 2.0}
    assert done.summary["tokens"] == sum(line["tokens"] for line in written) > 0
    assert done.summary["tiles"] == sum(line["tiles"] for line in written) > 0
    assert work.progress.steps == STEPS
    assert list((folder / "tensorboard").glob("events.*"))
    assert sorted(path.name for path in (folder / "checkpoint").iterdir()) == ["step-00000004", "step-00000006"]


@pytest.mark.parametrize("until", [1, 3, 4])
def test_cut_and_resumed_is_bit_identical(straight, data: Path, tmp_path: Path, until: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        loop.train(job(data, tmp_path, until=until, eval_every=0, trains=("decoder",)))
    again = job(data, tmp_path, trains=("decoder",))
    loop.train(again)
    plain = [[pair for pair in line if pair[0] != "heldout"] for line in exact(straight[0])]
    assert [[pair for pair in line if pair[0] != "heldout"] for line in exact(tmp_path)] == plain
    assert again.progress.steps == STEPS
    first, second = weights_of(straight[0]), weights_of(tmp_path)
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)


def test_a_damaged_newest_checkpoint_costs_only_time(straight, data: Path, tmp_path: Path, caplog) -> None:
    with pytest.raises(KeyboardInterrupt):
        loop.train(job(data, tmp_path, until=5, trains=("decoder",)))
    newest = sorted((tmp_path / "checkpoint").iterdir())[-1]
    os.truncate(next(newest.glob("*.safetensors")), 100)
    loop.train(job(data, tmp_path, trains=("decoder",)))
    assert f"{newest.name} is damaged" in caplog.text
    assert [line["loss"] for line in lines(tmp_path)] == [line["loss"] for line in lines(straight[0])]


def test_a_broken_batch_is_skipped_and_told(straight, data: Path, tmp_path: Path, caplog) -> None:
    work = job(data, tmp_path, at=(3,), trains=("decoder",))
    done = loop.train(work)
    assert done.summary["skipped"] == [3] and done.summary["steps"] == STEPS
    assert "step 3: loss is nan" in caplog.text and "skipping the batch" in caplog.text
    alarms = [json.loads(line) for line in (tmp_path / "alarms.jsonl").read_text().splitlines()]
    assert [(line["step"], line["alarm"]) for line in alarms] == [(4, "loss is nan")]
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 5, 6]
    assert [line["loss"] for line in lines(tmp_path)][:3] == [line["loss"] for line in lines(straight[0])][:3]
    assert work.progress.steps == STEPS


def test_a_skip_is_the_same_after_a_kill(data: Path, tmp_path: Path) -> None:
    loop.train(job(data, tmp_path / "a", at=(3,), trains=("decoder",)))
    with pytest.raises(KeyboardInterrupt):
        loop.train(job(data, tmp_path / "b", at=(3,), until=5, trains=("decoder",)))
    done = loop.train(job(data, tmp_path / "b", at=(3,), trains=("decoder",)))
    assert done.summary["skipped"] == [3]
    assert exact(tmp_path / "a") == exact(tmp_path / "b")


def test_the_second_broken_batch_stops(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"text: step 4: loss is nan, after the batch of step 1 was skipped"):
        loop.train(job(data, tmp_path, at=(1, 4), trains=("decoder",)))


def test_no_steps_is_the_parent_itself(data: Path, tmp_path: Path) -> None:
    work = job(data, tmp_path)
    done = loop.train(replace(work, stage=replace(work.stage, steps=0), batches=world.loader(data, {"prose": 1.0}, 0)))
    assert done.summary["steps"] == 0 and done.summary["heldout"] == {"prose": 1.0}


SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from lapis.train import loop
from tests.train import test_loop
loop.train(test_loop.job(Path(sys.argv[1]), Path(sys.argv[2]), trains=("decoder",)))
"""


def process(*words: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *map(str, words)]
    return subprocess.Popen(command, env=environment)


def test_killed_by_sigkill_and_resumed_is_bit_identical(straight, data: Path, tmp_path: Path) -> None:
    """A real process, killed without warning while it trains; the one that goes on ends with the same bits."""
    victim = process(data, tmp_path)
    metrics = tmp_path / "metrics.jsonl"
    until(lambda: victim.poll() is not None or (metrics.is_file() and metrics.read_bytes().count(b"\n") >= 3))
    victim.kill()
    assert victim.wait() == -signal.SIGKILL
    assert process(data, tmp_path).wait() == 0
    assert [line["loss"] for line in lines(tmp_path)] == [line["loss"] for line in lines(straight[0])]
    first, second = weights_of(straight[0]), weights_of(tmp_path)
    assert all(first[name].equal(second[name]) for name in first)


def test_a_full_disk_is_one_line(data: Path, tmp_path: Path) -> None:
    """No file may grow past 20 kB, a limit that the kernel keeps: the first checkpoint does not fit."""
    free = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, free[1]))
    try:
        with pytest.raises(InputError, match="step-00000002: could not be written, no room left on the disk") as told:
            loop.train(job(data, tmp_path, trains=("decoder",)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, free)
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "checkpoint").glob("*"))
    assert loop.train(job(data, tmp_path, trains=("decoder",))).summary["steps"] == STEPS
