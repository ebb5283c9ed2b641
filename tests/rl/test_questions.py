"""What RL asks: single questions with a check, also out of conversations that point many times."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from lapis.data import store
from lapis.rl import questions
from lapis.types import Image, InputError, Sample, Text, Turn
from lapis.verify import check
from tests.tiny import tiny_recipe

PICTURE = Image(b"png", 100, 200)
BOXES = [[0.0, 0.0, 100.0, 100.0], [500.0, 0.0, 100.0, 100.0], [500.0, 500.0, 200.0, 100.0]]


def conversation(boxes: list[list[float]]) -> Sample:
    turns: list[Turn] = []
    for number, (x, y, w, h) in enumerate(boxes):
        asked = (PICTURE, Text(f"Tap {number}.")) if not number else (Text(f"Tap {number}."),)
        turns += [Turn("user", asked), Turn("assistant", (Text(f"{number} ({x + w / 2:.0f},{y + h / 2:.0f})"),))]
    return Sample("screen/ground", "en", "test", "CC0-1.0", tuple(turns), meta={"boxes": boxes})


def test_one_point_of_a_conversation_is_asked_with_its_picture_and_its_box() -> None:
    seen = set()
    for seed in range(20):
        asked = questions.one_point(conversation(BOXES), random.Random(seed))
        question, answer = asked.turns
        assert question.images == (PICTURE,) and questions.is_question(asked)
        assert check(asked.meta, answer.text).score == 1.0
        seen.add(question.text)
    assert seen == {"Tap 0.", "Tap 1.", "Tap 2."}


def test_other_samples_stay_as_they_are() -> None:
    for sample in (conversation(BOXES[:1]), Sample("math/arith", "en", "t", "CC0-1.0", (Turn("user", (Text("1"),)),))):
        assert questions.one_point(sample, random.Random(0)) is sample


def test_lists_and_actions_with_several_boxes_are_no_points(tmp_path: Path) -> None:
    """A list has all its boxes in one answer; an action has one for each of its coordinates, or None."""
    places = Turn("assistant", (Text("a (050,050)\nb (550,050)"),))
    listed = replace(conversation(BOXES[:2]), kind="screen/list", turns=(conversation(BOXES).turns[0], places))
    turns = list(conversation(BOXES[:2]).turns)
    turns[1::2] = [Turn("assistant", (Text(said),)) for said in ('{"action":"back"}', '{"coordinate":[550,50]}')]
    acted = replace(conversation(BOXES[:2]), kind="screen/act", turns=tuple(turns), meta={"boxes": [None, BOXES[1]]})
    for sample in (listed, acted):
        assert all(questions.one_point(sample, random.Random(seed)) is sample for seed in range(9))
    store.write_samples(tmp_path / "screens.parquet", [listed, acted, conversation(BOXES)])
    drawn = questions.draw(tmp_path, {"screen": 1.0}, 4, 0, lambda sample: True)
    assert [one.kind for one in drawn] == ["screen/ground"]


def test_points_are_drawn_for_rl_and_a_kind_without_questions_is_refused(tmp_path: Path) -> None:
    store.write_samples(tmp_path / "screens.parquet", [conversation(BOXES) for _ in range(5)])
    drawn = questions.draw(tmp_path, {"screen/ground": 1.0}, 4, 0, lambda sample: True)
    assert len(drawn) == 4 and all(one.meta["verifier"] == "point" for one in drawn)
    with pytest.raises(InputError, match="math has no question"):
        questions.draw(tmp_path, {"math": 1.0}, 4, 0, lambda sample: True)


def test_what_equals_a_held_out_sample_is_not_asked(tmp_path: Path) -> None:
    turns = [(Turn("user", (Text(f"What is {number} + 1?"),)),) for number in range(30)]
    made = [
        Sample("math/arith", "en", "t", "CC0-1.0", one, meta={"verifier": "number", "answer": "1"}) for one in turns
    ]
    said = replace(made[3], turns=(*made[3].turns, Turn("assistant", (Text("1"),))))
    shown = replace(conversation(BOXES[:1]), meta={"verifier": "point", "box": BOXES[0]})
    store.write_samples(tmp_path / "data/fresh/questions.parquet", made)
    store.write_samples(tmp_path / "data/fresh/screens.parquet", [conversation([BOXES[0], box]) for box in BOXES])
    store.write_samples(tmp_path / "data/heldout/math.parquet", [said, *made[7:9]])
    store.write_samples(tmp_path / "data/heldout/ground_seen.parquet", [shown])
    recipe = tiny_recipe()
    stage = replace(recipe.stages[-1], mixture={"math": 0.9, "screen/ground": 0.1}, steps=9)
    fit = questions.Fit(stage, lambda request: 1)
    asked, held = questions.both(tmp_path, recipe, stage, fit)
    texts = [one.turns[0].text for one in asked]
    assert len([text for text in texts if "What" in text]) == 27 and "Tap 0." not in texts
    assert not {store.key(one) for one in asked} & {store.key(one) for one in held} and len(held) == 4
    assert fit.told()["equal to a held-out sample"] >= 3


def test_kinds_without_held_out_questions_stand_beside_others(tmp_path: Path) -> None:
    asked = [
        Sample("physics", "en", "t", "MIT", (Turn("user", (Text("?"),)),), meta={"verifier": "text", "answer": "a"})
    ]
    store.write_samples(tmp_path / "math.parquet", [replace(asked[0], kind="math/word")])
    stage = replace(tiny_recipe().stages[-1], mixture={"math": 1.0, "physics": 1.0, "knowledge/text": 1.0})
    assert [one.kind for one in questions.held(tmp_path, stage, 0, lambda sample: True)] == ["math/word"]
