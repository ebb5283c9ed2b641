"""The road from public weights: `lapis init`, then `lapis run tune` in small from raw data to its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from lapis import chat
from lapis.model import convert
from lapis.model.vlm import Lapis
from tests.conftest import here, lapis
from tests.model.test_init import siglip, text_folder

CLOCK = """
from lapis.types import Sample, Text, Turn


def hours(split, seed):
    for hour in {"train": range(9), "held": range(9, 12), "fresh": ()}[split]:
        turns = (Turn("user", (Text(f"It is {hour}. In an hour?"),)), Turn("assistant", (Text(str(hour + 1)),)))
        yield Sample("clock", "en", "clock", "CC0-1.0", turns, meta={"verifier": "number", "answer": hour + 1})
"""
SHORT = (
    *("data.screens=4", "data.held_screens=2", "data.questions=40", "data.held_questions=3", "data.needles=1"),
    *("data.captions=2", "data.prose_mb=0.05", "data.handlers.clock=clock:hours", "stages.sft.mixture.clock=1"),
    *(f"stages.{name}.pack.row_tokens=768" for name in ("joint-a", "joint-b", "sft")),
    *("stages.joint-a.steps=2", "stages.joint-b.steps=1", "stages.sft.steps=2", "model.anyres.columns=2"),
    *("eval.samples=2", "eval.max_tokens=24", "eval.budgets=[0, 4]", "threads=1"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with public weights, a model composed of them, a module of the user's own, and the finished run."""
    root = tmp_path_factory.mktemp("tune")
    siglip(root / "tower")
    text_folder("qwen3", root / "text")
    (root / "clock.py").write_text(CLOCK)
    words = ("init", "--vision", "tower", "--decoder", "text", "--tile", "56", "out=begin")
    assert here(*words, cwd=root).returncode == 0
    done = lapis("run", "tune", "--smoke", "start=begin", *SHORT, "out=run", cwd=root)
    assert (done.returncode, done.stdout) == (0, "run/report.html\n"), done.stderr
    return root


def test_the_run_begins_with_the_weights_and_their_tokenizer(home: Path) -> None:
    begin, first = convert.read(home / "begin"), convert.read(home / "run" / "start" / "model")
    assert isinstance(first, Lapis) and first.config.anyres.columns == 2
    assert all(torch.equal(x, y) for x, y in zip(begin.parameters(), first.parameters(), strict=True))
    texts = {chat.read_tokenizer(home / name / "tokenizer.json").to_str() for name in ("begin", "run/data/tokenizer")}
    assert len(texts) == 1


def test_its_stages_train_what_they_name(home: Path) -> None:
    first, adapter, last = (
        load_file(home / "run" / name / "model" / "model.safetensors") for name in ("start", "joint-a", "sft")
    )
    moved = {name for name in first if not torch.equal(first[name], adapter[name])}
    assert moved and all("multi_modal_projector" in name for name in moved)
    assert {name for name in first if "layers.0.mlp" in name and not torch.equal(first[name], last[name])}


def test_the_users_own_kind_is_trained_measured_and_asked(home: Path) -> None:
    run = home / "run"
    kinds = json.loads((run / "data" / "counts.json").read_text(encoding="utf-8"))["kinds"]
    assert kinds["clock"]["samples"] == 9 and {"screen/ground", "math/word", "prose"} <= kinds.keys()
    assert json.loads((run / "sft" / "done.json").read_text())["heldout"]["clock"] > 0
    tasks = json.loads((run / "eval" / "results.json").read_text())["tasks"]
    assert tasks["clock/direct"]["n"] == 2 and "ground_seen/direct/blind" in tasks
    assert "clock, direct" in (run / "report.html").read_text(encoding="utf-8")


def test_the_export_is_a_stock_model_again(home: Path) -> None:
    stock = AutoModelForImageTextToText.from_pretrained(home / "run" / "export" / "hf")
    assert stock.config.text_config.model_type == "qwen3" and stock.config.lapis["anyres"]["columns"] == 2
    done = here("chat", "run", "--prompt", "1+1?", "--max-tokens", "4", cwd=home)
    assert done.returncode == 0, done.stderr


def test_the_begun_run_keeps_its_start(home: Path) -> None:
    done = lapis("run", "tune", "--smoke", "start=run/export/hf", *SHORT, "out=run", cwd=home)
    assert done.returncode == 2 and 'stage data: start was "begin" when it began' in done.stderr
