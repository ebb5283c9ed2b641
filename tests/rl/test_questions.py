"""What RL asks: single questions with a check, also out of conversations that point many times."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lapis.data import store
from lapis.rl import questions
from lapis.types import Image, InputError, Sample, Text, Turn
from lapis.verify import check

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


def test_points_are_drawn_for_rl_and_a_kind_without_questions_is_refused(tmp_path: Path) -> None:
    store.write_samples(tmp_path / "screens.parquet", [conversation(BOXES) for _ in range(5)])
    drawn = questions.draw(tmp_path, {"screen/ground": 1.0}, 4, 0, lambda sample: True)
    assert len(drawn) == 4 and all(one.meta["verifier"] == "point" for one in drawn)
    with pytest.raises(InputError, match="math has no question"):
        questions.draw(tmp_path, {"math": 1.0}, 4, 0, lambda sample: True)
