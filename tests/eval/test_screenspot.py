"""Held-out screens written in ScreenSpot's files come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapis import config
from lapis.eval import grounding, screenspot
from lapis.eval import run as evaluation
from lapis.types import InputError
from tests.eval.scripted import Scripted, Silent, ground, picture
from tests.eval.test_run import PLAN, make_heldout, sees

BOXES = [(100 * number, 450, 100, 100) for number in range(7)]
SAMPLES = [ground(f"Send {number}", box, picture(number)) for number, box in enumerate(BOXES)]


def test_forms_are_read_back_with_their_boxes(tmp_path: Path) -> None:
    screenspot.write(SAMPLES, tmp_path)
    found = grounding.read(tmp_path)
    assert {name: len(targets) for name, targets in found.items()} == {
        "screenspot": 3,
        "screenspot_v2": 2,
        "screenspot_pro": 2,
    }
    read = {one.turns[0].text: one for targets in found.values() for one in grounding.samples(targets)}
    assert len(read) == len(SAMPLES)
    for number, box in enumerate(BOXES):
        again = read[f'Where is "Send {number}"?']
        assert (
            again.meta["box"] == pytest.approx(box, abs=0.2) and again.images[0].data == SAMPLES[number].images[0].data
        )


def test_a_published_folder_stands_in_their_place(tmp_path: Path) -> None:
    heldout = make_heldout(tmp_path / "heldout")
    screenspot.write(SAMPLES[:2], tmp_path / "published")
    plan = config.Eval(**{**{name: getattr(PLAN, name) for name in ("samples", "budgets")}, "screenspot": "nowhere"})
    with pytest.raises(InputError, match="nowhere: expected a folder with ScreenSpot"):
        evaluation.measure_all(Scripted(sees), plan, heldout, tmp_path / "a", Silent())
    plan = config.Eval(samples=8, budgets=(0, 4), screenspot=str(tmp_path / "published"))
    silent = Silent()
    found = evaluation.measure_all(Scripted(sees), plan, heldout, tmp_path / "b", silent)["tasks"]
    assert silent.steps == evaluation.count(plan, heldout)
    assert (found["screenspot"]["n"], found["screenspot"]["own"]) == (1, False)
    own = evaluation.measure_all(Scripted(sees), PLAN, heldout, tmp_path / "c", Silent())["tasks"]
    assert (own["screenspot"]["n"], own["screenspot"]["own"]) == (3, True)
