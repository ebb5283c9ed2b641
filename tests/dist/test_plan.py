"""The 3B recipe's sizes, counted on the meta device."""

from __future__ import annotations

import pytest
import torch

from lapis.dist import plan
from lapis.model import init
from lapis.model.decoder import Decoder
from lapis.recipes import blue3b
from tests.model.shared import MODEL


def test_blue3b_has_the_published_size() -> None:
    counts = plan.plan(blue3b.model())
    assert counts["total"] == pytest.approx(2.9e9, rel=0.01)
    assert counts["vit"] == pytest.approx(413e6, rel=0.01)
    assert 1 - int(counts["total"]) / 3.75e9 >= 0.22
    assert counts["tokens_per_tile"] == 196
    assert counts["text"] == "total 2.91B, vit 413.1M, adapter 18.4M, decoder 2.48B"


def test_the_teacher_is_a_7b_that_the_student_can_be_cut_from() -> None:
    teacher, student = blue3b.teacher(), blue3b.model().decoder
    with torch.device("meta"):
        assert plan.parameters(Decoder(teacher)) == pytest.approx(7e9, rel=0.01)
    assert teacher.heads // teacher.kv_heads == student.heads // student.kv_heads
    assert (teacher.head_dim, teacher.vocab, teacher.layers) == (student.head_dim, student.vocab, student.layers)


def test_counts_are_those_of_real_modules() -> None:
    counts = plan.plan(MODEL)
    real = sum(parameter.numel() for parameter in init.fresh(MODEL, 0).parameters())
    assert counts["total"] == real == sum(int(counts[part]) for part in ("vit", "adapter", "decoder"))


def test_nothing_is_allocated() -> None:
    with torch.device("meta"):
        assert plan.parameters(torch.nn.Linear(100_000, 100_000)) == 100_000 * 100_001
