"""Subjects of texts that the words were not chosen by, modality, difficulty by loss and by pass rate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lapis.data import store
from lapis.data.steps import classify
from lapis.data.topics import TOPICS
from lapis.types import Completion, Request, Sample
from tests.data import world
from tests.data.steps.rows import documents, talk

TEXTS = [line.split("\t") for line in Path(__file__).with_name("subjects.txt").read_text(encoding="utf-8").splitlines()]
"""Subjects and short texts, written after the words of lapis/data/topics.py, by the same author."""


def test_subjects_of_texts_that_nobody_chose_words_by() -> None:
    found = classify.subjects(pa.array([text for _, text in TEXTS]))
    wrong = [(subject, told, text) for (subject, text), told in zip(TEXTS, found, strict=True) if subject != told]
    assert len(TEXTS) - len(wrong) >= 46, wrong
    assert {subject for subject, _ in TEXTS} == {*TOPICS, classify.OTHER}


def test_a_subject_takes_two_different_words_of_one_topic_in_one_text() -> None:
    texts = ["goal goal goals", "the Goal of a league", "goal", "league", "冠军", "冠军，法院", "冠 军，进球", None]
    expected = ["other", "sports", "other", "other", "other", "other", "sports", "other"]
    assert classify.subjects(pa.array(texts)) == expected


def test_modality_is_text_image_or_screen() -> None:
    rng = random.Random(0)
    image = world.picture(rng)
    rows = store.to_table([world.document("a"), talk("q", "a", image=image), world.screen_sample(rng)])
    changed = classify.change(rows)
    assert changed["modality"].to_pylist() == ["text", "image", "screen"]
    assert changed["subject"].to_pylist() == ["other"] * 3


class Known:
    """Losses as told."""

    def losses(self, samples: Sequence[Sample], images: bool = True) -> list[float]:
        return [float(one.turns[0].text) for one in samples]


def test_difficulty_by_loss_is_the_chance_to_miss_a_token() -> None:
    changed = classify.by_loss(documents("0", str(np.log(2)), "100"), Known())
    assert changed["difficulty"].to_pylist() == pytest.approx([0.0, 0.5, 1.0])
    assert changed["difficulty"].type == pa.float32()


class Counts:
    """Answers with its seed, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [Completion(str(one.seed), "", (), (), (), (), 0, "stop", True) for one in requests]


def test_difficulty_by_pass_rate_counts_wrong_answers() -> None:
    first = talk("Say 1 or 01", "1", verifier="number", answer="1")
    second = talk("Say 9", "9", verifier="number", answer="9")
    rows = store.to_table([first, world.document("no question"), second])
    engine = Counts()
    changed = classify.by_pass_rate(rows, engine, 4, Request((), temperature=0.7, max_tokens=9))
    assert changed["difficulty"].to_pylist() == [0.75, None, 1.0]
    assert [(one.seed, one.temperature, one.max_tokens) for one in engine.asked[:4]] == [
        (seed, 0.7, 9) for seed in range(4)
    ]
    assert [turn.role for turn in engine.asked[0].turns] == ["user"]
