"""Made-up words are made of the letters of two known ones, and are many."""

import random

import pytest

from lapis.data.blend import blend
from lapis.data.synth import frames_en, questions


@pytest.mark.parametrize(
    ("first", "second"), [("mango", "ticket"), ("苹果", "铅笔"), ("花", "球"), ("a", "tea"), ("Ann", "Bo")]
)
def test_a_blend_begins_like_one_word_and_ends_like_the_other(first: str, second: str) -> None:
    rng = random.Random(0)
    for _ in range(50):
        made = blend(first, second, rng)
        assert made[0] == first[0] and made[-1] == second[-1]
        assert any(made == first[:cut] + second[len(second) - len(made) + cut :] for cut in range(1, len(first) + 1))


def test_stories_of_training_have_more_names_than_their_bank() -> None:
    asked = [one.turns[0].text for one in questions.generate(1500, 1, "train") if one.kind == "math/word"]
    names = {text.split(" have now?")[0].split()[-1] for text in asked if " have now?" in text}
    banked = {name for name, _, _ in frames_en.TRAIN.people}
    assert 0.2 < len(names - banked) / len(names) < 0.8
