"""Worked thoughts are true: every column, every result, every chain."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapis.data.synth import program
from lapis.data.synth.program import Change, Operation, Program, Term
from lapis.data.synth.words import expression


@pytest.mark.parametrize(
    "operation, work",
    [
        (Operation(37, "+", 48), "7851,3480=85"),
        (Operation(85, "-", 29), "5961,8250=56"),
        (Operation(56, "*", 3), "6381,5361=168"),
        (Operation(168, "/", 2), "0101,1680,0840=84"),
        (Operation(95, "+", 8), "5831,9001=103"),
        (Operation(103, "-", 98), "3851,0901,1000=5"),
    ],
)
def test_work(operation: Operation, work: str) -> None:
    assert program.worked(operation) == work


def test_thoughts() -> None:
    drawn = Program(Term(37), (Change("+", Term(24, "*", 3)), Change("-", Term(81, "-", 26)), Change("/", Term(2))))
    assert program.full(drawn).split("\n") == [
        "a37",
        "b+3*24",
        "c-(81-26)",
        "d/2",
        "a=37",
        "b+3*24:4321,2370=72:7290,3701=109",
        "c-(81-26):1651,8250=55:9540,0551,1000=54",
        "d/2:0521,1470=27",
    ]
    assert (
        program.terse(drawn)
        == "a37\nb+3*24:4321,2370=72:7290,3701=109\nc-(81-26):1651,8250=55:9540,0551,1000=54\nd/2:0521,1470=27"
    )
    start = Program(Term(24, "*", 3), (Change("+", Term(10)),))
    assert program.full(start) == "a3*24\nb+10\na3*24:4321,2370=72\nb+10:2020,7180=82"
    assert program.terse(start) == "a3*24:4321,2370=72\nb+10:2020,7180=82"


@given(st.integers(0, 999), st.sampled_from("+-*/"), st.integers(0, 999))
def test_columns_spell_the_result(left: int, sign: str, right: int) -> None:
    if sign == "-":
        left, right = max(left, right), min(left, right)
    if sign in "*/":
        right = right % 8 + 2
        left -= left % right if sign == "/" else 0
    operation = Operation(left, sign, right)
    digits = [digit for *_, digit, _ in program.columns(operation)]
    spelled = digits if sign == "/" else digits[::-1]
    head = str(program.columns(operation)[-1][3]) if sign in "+*" else ""
    assert int(head + "".join(map(str, spelled))) == operation.result


@pytest.mark.parametrize("values", [program.TRAIN_VALUES, program.HELD_VALUES])
@pytest.mark.parametrize("steps", [1, 2, 4, 6])
def test_draws_fit(values: tuple[int, ...], steps: int) -> None:
    rng = random.Random(steps)
    for _ in range(60):
        drawn = program.draw(rng, values, steps)
        done = drawn.operations
        assert len(done) == steps and done[-1].result == drawn.answer
        assert all(program.LOWEST <= one.result <= program.HIGHEST for one in done)
        shown = [int(text) for text in re.findall(r"\d+", expression(drawn))]
        large = [number for number in shown if number >= 10]
        assert set(large) <= set(values) and len(set(large)) == len(large)
        assert eval(expression(drawn)) == drawn.answer  # an oracle: Python's own reading of the formula


def test_brackets_stand_where_reading_needs_them() -> None:
    drawn = Program(Term(37), (Change("+", Term(48)), Change("*", Term(2)), Change("-", Term(29, "*", 3))))
    assert expression(drawn) == "(37+48)*2-3*29"
    assert [one.result for one in drawn.operations] == [85, 170, 87, 83]


def test_splits_share_no_number() -> None:
    assert not set(program.TRAIN_VALUES) & set(program.HELD_VALUES)
    assert set(program.TRAIN_VALUES) | set(program.HELD_VALUES) == set(range(10, 100))
