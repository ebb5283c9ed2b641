"""Evaluation beside training: its curve is that of the snapshots, training does not feel it, and it never outlives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lapis import chat, config
from lapis.data import shards
from lapis.data.store import write_samples
from lapis.data.tokenise import example
from lapis.eval import online as serving
from lapis.eval import run as evaluation
from lapis.eval.sized import Sized
from lapis.model import convert
from lapis.model.decoder import Decoder
from lapis.train import online, stages
from lapis.types import Sample, Text, Turn
from tests.conftest import ROOT, environment
from tests.train import world
from tests.waiting import gone, until

STEPS, EVERY = 60, 30
ASKED = config.Online(("math/direct", "math/think"), EVERY, samples=8, wait=120.0)
STAGE = world.stage(
    "text", steps=STEPS, mixture={"math": 1.0}, optim=config.Optim(lr=1e-2), checkpoint_every=EVERY, online=ASKED
)


def question(number: int, answer: str) -> Sample:
    words = " ".join(world.WORDS[(number + place) % len(world.WORDS)] for place in range(3))
    turns = (Turn("user", (Text(words),)), Turn("assistant", (Text(answer),)))
    return Sample("math/arith", "en", "test", "CC0-1.0", turns, meta={"verifier": "number", "answer": answer})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions that are all answered with 42, and held-out ones of which every other is."""
    run = tmp_path_factory.mktemp("data")
    tokenizer = world.make_data(run)
    root = run / "data" / "shards"
    made = [example(question(number, "42"), tokenizer, world.MODEL) for number in range(20)]
    shards.write_index(root, [shards.write_shard(root, "b", made)], shards.fingerprint(run / "data" / "tokenizer"))
    held = [question(number, "42" if number % 2 else "7") for number in range(8)]
    write_samples(run / "data" / "heldout" / "math.parquet", held)
    return run


def walk(data: Path, run: Path, stage: config.Train = STAGE, processes: int = 1) -> Path:
    """The stage in a run folder of its own; returns the stage's folder."""
    run.mkdir(exist_ok=True)
    if not (run / "data").exists():
        (run / "data").symlink_to(data / "data")
    torch.set_num_threads(1)
    recipe = replace(world.recipe(stage), dist=config.Dist(nproc=processes), eval=config.Eval(max_tokens=16))
    stages.run_entry(stage, recipe, run, world.Seen())
    return run / stage.name


def lines(folder: Path, name: str = online.NAME) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in lines(folder, "metrics.jsonl")]


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walk(data, tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walk(data, tmp_path_factory.mktemp("plain"), replace(STAGE, online=config.Online()))


def weights_at(folder: Path, step: int) -> Decoder:
    """The decoder as it stood in a checkpoint."""
    module = convert.read(folder / "model")
    assert isinstance(module, Decoder)
    saved = load_file(next((folder / "checkpoint" / f"step-{step:08d}").glob("*.safetensors")))
    module.load_state_dict({name: saved[f"model.decoder.{name}"] for name in module.state_dict()})
    return module


def test_scores_are_those_of_an_evaluation_of_the_same_weights(measured: Path, data: Path, tmp_path: Path) -> None:
    found = lines(measured)
    assert {line["step"] for line in found} <= {EVERY, STEPS}
    last = {line["mode"]: line["score"] for line in found if line["step"] == STEPS}
    assert last == {"direct": 0.5, "think": 0.5}
    tokenizer = chat.Tokenizer.load(data / "data" / "tokenizer", world.MODEL.tokens_per_tile)
    held = tmp_path / "heldout"
    held.mkdir()
    (held / "math.parquet").symlink_to(data / "data" / "heldout" / "math.parquet")
    for step in {line["step"] for line in found}:
        plan = config.Eval(samples=8, budgets=(0,), max_tokens=16)
        generator = Sized(weights_at(measured, step), tokenizer)
        tasks = evaluation.measure_all(generator, plan, held, tmp_path / str(step), world.Seen())["tasks"]
        for line in found:
            if line["step"] == step:
                expected = tasks[f"{line['task']}/{line['mode']}"]
                assert [line[name] for name in ("score", "low", "high", "n")] == [
                    expected[name] for name in ("value", "low", "high", "n")
                ]
                assert line["seconds"] > 0


def test_training_does_not_feel_it(measured: Path, plain: Path) -> None:
    assert losses(measured) == losses(plain)
    first, second = (load_file(folder / "model" / "model.safetensors") for folder in (measured, plain))
    assert all(first[name].equal(second[name]) for name in second)
    assert not (measured / "online").exists() and not (plain / online.NAME).exists()
    assert lines(measured, "metrics.jsonl")[-1]["passes"] == {"math": pytest.approx(STEPS * 3 * 7 / 20, rel=0.3)}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ((sys.executable, "-c", "raise SystemExit('no engine here')"), "code 1: no engine here"),
        ((sys.executable, "-c", "print('no JSON')"), "Expecting value"),
        (("no-such-program",), "No such file"),
        ((sys.executable, "-c", """print('{"error": "InputError: no model"}')"""), "InputError: no model"),
    ],
)
def test_a_broken_evaluator_is_one_line(
    command: tuple[str, ...], told: str, data: Path, plain: Path, tmp_path: Path, caplog: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(online, "COMMAND", command)
    folder = walk(data, tmp_path / "run")
    assert losses(folder) == losses(plain)
    said = [line for line in caplog.text.splitlines() if "evaluation beside training" in line]
    assert len(said) == 1 and told in said[0]
    assert not (folder / online.NAME).exists()


def test_an_order_that_cannot_be_followed_is_an_answer(tmp_path: Path) -> None:
    words = {"model": str(tmp_path), "heldout": "", "tasks": [], "samples": 1, "max_tokens": 8, "tiles": 1}
    told = serving._answer(words)
    assert told == {"error": f"InputError: {tmp_path}: no model there (config.json is missing)"}
    assert "unexpected keyword" in serving._answer(words | {"colour": "red"})["error"]


SCRIPT = """
import sys
from pathlib import Path
from tests.train import test_online
test_online.walk(Path(sys.argv[1]), Path(sys.argv[2]), test_online.ENDLESS)
"""
ENDLESS = replace(STAGE, steps=5000, optim=replace(STAGE.optim, lr=1e-3), online=replace(ASKED, every=10))


def children(pid: int) -> list[int]:
    return [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are listed by Linux")
def test_a_killed_trainer_leaves_no_evaluator_and_the_curve_goes_on(data: Path, plain: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", SCRIPT, str(data), str(tmp_path / "run")]
    victim = subprocess.Popen(words, cwd=ROOT, env=environment())
    others = until(lambda: children(victim.pid))
    victim.kill()
    victim.wait()
    gone(others)


def test_a_resumed_curve_has_no_step_twice_and_none_beyond_its_checkpoint(measured: Path, data: Path) -> None:
    """As a kill between the last checkpoint and the end leaves it, with a line that was half written."""
    before = [line for line in lines(measured) if line["step"] == STEPS]
    for name in ("done.json", f"checkpoint/step-{STEPS:08d}/sums.json"):
        (measured / name).unlink()
    with (measured / online.NAME).open("a") as file:
        file.write('{"step": 60, "ta')
    walk(data, measured.parent)
    found = lines(measured)
    asked = [(line["step"], line["mode"]) for line in found]
    assert len({*asked}) == len(asked) and {step for step, _ in asked} <= {EVERY, STEPS}
    times = {"seconds": 0}
    assert [line | times for line in found if line["step"] == STEPS] == [line | times for line in before]


def test_of_two_processes_the_first_has_it(data: Path, tmp_path: Path) -> None:
    stage = replace(STAGE, pack=replace(STAGE.pack, rows=2), steps=EVERY)
    folder = walk(data, tmp_path / "run", stage, processes=2)
    assert [(line["step"], line["mode"]) for line in lines(folder)] == [(EVERY, "direct"), (EVERY, "think")]
    weights = load_file(folder / "model" / "model.safetensors")
    assert weights and os.listdir(folder / "checkpoint")


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux alone has it")
def test_the_evaluator_gives_way() -> None:
    look = "import os; from lapis.eval import online; online.give_way(); print(os.nice(0), os.sched_getscheduler(0))"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.split() == [str(serving.LOWEST), str(os.SCHED_IDLE)]
