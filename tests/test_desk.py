"""`lapis run desk --smoke`, smaller still: all that the data engine makes is made, drawn, asked and measured."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import verify
from lapis.config import Train
from lapis.data import store
from lapis.data.gather_long import lengths, packs
from lapis.recipes import desk, desk_32k
from lapis.rl import questions
from tests.conftest import lapis

LONG = ("hop", "order", "count", "screens")
TINY = (
    *("data.screens=10", "data.pages=4", "data.held_screens=6", "data.questions=120", "data.held_questions=8"),
    *("data.fresh=12", "data.captions=4", "data.needles=5", "data.kit_pages=2", "data.prose_mb=0.15"),
    *("eval.samples=2", "eval.budgets=[0]", "eval.max_tokens=24", "eval.pictures=1", "stages.sft.online.tasks=[]"),
    *(f"stages.{name}.steps=1" for name in ("teacher", "distil", "distil-decay", "text-sft", "vision", "joint-b")),
    *(f"stages.scratch-{name}.steps=1" for name in ("low", "mid", "high")),
    *(f"stages.{name}.steps=1" for name in ("joint-a", "reason", "sft", "rl")),
)
"""Sizes below the smoke run's."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk") / "run"
    done = lapis("run", "desk", "--smoke", *TINY, f"out={folder}", timeout=3600)
    assert done.returncode == 0, done.stderr
    return folder


def told(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tree


def test_every_kind_of_long_document_is_taught_held_out_and_asked(run: Path) -> None:
    kinds = told(run / "data/counts.json")["kinds"]
    held = told(run / "data/counts.json")["heldout"]
    asked = told(run / "eval/results.json")["tasks"]
    for name in LONG:
        assert kinds[f"long/{name}"]["samples"] and held[f"long_{name}"] and f"long_{name}/direct" in asked, name
    assert kinds["long/needle"]["samples"] and held["needle"] and "needle/direct" in asked
    assert kinds["long/joined"]["samples"]


def test_questions_are_an_sft_set(run: Path) -> None:
    whole = store.read_column(run / "data/sets/questions.parquet", "id")
    taught = list(store.read_samples(run / "data/samples/questions.parquet"))
    assert 0 < len(taught) <= len(whole) and {one.fingerprint for one in taught} <= set(whole)
    assert all(one.meta["ability"] for one in taught)
    counts = told(run / "data/sets/counts.json")
    assert sum(counts["sft"].values()) == len(taught)


def test_rl_asks_instructions_that_a_program_checks(run: Path) -> None:
    items = list(store.read_samples(run / "data/fresh/instructions.parquet"))
    assert len(items) == 16 and {one.meta["verifier"] for one in items} == {"constraints"}
    assert {verify.check(one.meta, "A word.").score for one in items} <= {0.0, 1.0}
    assert len(questions.draw(run / "data/fresh", {"instructions": 1.0}, 8, 0, lambda sample: True)) == 8
    assert told(run / "rl/done.json")["steps"] == 1


def test_pages_of_a_kit_are_drawn_whichever_kits_are_here(run: Path) -> None:
    marker = told(run / "data/steps/kits.json")
    sources = store.read_column(run / "data/samples/kits-0000.parquet", "source")
    assert marker["screens"] == len(set(sources)) > 0
    drawn = Counter(source.split("/")[1] for source in sources)
    assert (set(drawn) == {"plain"}) == bool(marker["notes"]) == (not marker["kits"])


def test_desk_draws_every_kind_in_both_lengths_of_row() -> None:
    assert lengths(desk.recipe(), "long/hop") == [3686, 1843, 921]
    assert lengths(desk_32k.recipe(), "long/hop") == [29491, 14745, 7372, 3686, 1843, 921]
    longer = next(entry for entry in desk_32k.recipe().stages if entry.name == "long-32k")
    assert desk.LONG.items() <= longer.mixture.items()
    assert sum(desk.LONG.values()) == pytest.approx(0.6)


def test_conversations_over_screens_fit_the_stage_with_the_fewest_tiles() -> None:
    base = desk.recipe()
    long = next(entry for entry in base.stages if isinstance(entry, Train) and entry.name == "long")
    wider = replace(long, name="wider", pack=replace(long.pack, tiles=2 * long.pack.tiles))
    drawing = packs(replace(base, stages=(*base.stages, wider)), "long/screens")
    assert min(pack.tiles for pack in drawing) == long.pack.tiles
