"""Where a wrong answer went wrong first: one case of each fault, made by changing one place of a right answer."""

from __future__ import annotations

import dataclasses

import pytest

from lapis.eval import causes
from lapis.types import Completion, Sample, Text, Turn
from tests.eval.scripted import ground, picture, question

STORY = "Tom has 37 coins. He loses 12 coins. He finds 25 coins. How many?"
WORK = "a37\nb-12\nc+25\na=37\nb-12:7250,3120=25\nc+25:5500,2240=50"
SHOWN = "Tea (500,120)12,Milk (500,240)37\na12+37:2790,1340=49"


def sample(prompt: str, worked: str, **meta: object) -> Sample:
    plain = question(prompt, "50", **meta)
    return dataclasses.replace(plain, turns=(plain.turns[0], Turn("assistant", (Text("50"),), worked)))


def said(thought: str, text: str = "49", closed: bool = True) -> Completion:
    return Completion(text, thought, (), (), (), (), len(thought), "stop" if closed else "length", closed)


@pytest.mark.parametrize(
    ("thought", "fault"),
    [
        (WORK.replace("a37", "a27", 1), "copied wrong from the question"),
        (WORK.replace("b-12\nc", "b+12\nc"), "sign taken wrong from the words"),
        (WORK.replace(":7250", ":7150"), "copied wrong from its own lines"),
        (WORK.replace("7250", "7240"), "worked out wrong"),
        (WORK + "\nd+1", "went on too long"),
        (WORK, "thought right, answer not"),
    ],
)
def test_a_thought_in_text(thought: str, fault: str) -> None:
    assert causes.of(sample(STORY, WORK), said(thought)) == fault


@pytest.mark.parametrize(
    ("thought", "fault"),
    [
        (SHOWN.replace(")12", ")17"), "number read wrong from the screen"),
        (SHOWN.replace("Milk", "Mint"), "item named wrong"),
        (SHOWN.replace("(500,120)", "(480,133)").replace("a12+37", "a12+39"), "copied wrong from its own lines"),
    ],
)
def test_a_thought_about_a_screen(thought: str, fault: str) -> None:
    boxes = {"12": (450, 100, 100, 40), "37": (450, 220, 100, 40)}
    asked = sample("What do both cost?", SHOWN, values=boxes)
    shown = dataclasses.replace(asked, turns=(Turn("user", (picture(1), Text("?"))), asked.turns[1]))
    assert causes.of(shown, said(thought)) == fault


def test_a_thought_cut_off_and_an_answer_alone() -> None:
    assert causes.of(sample(STORY, WORK), said(WORK[:9], closed=False)) == "thought not ended"
    assert causes.of(sample(STORY, WORK), said("")) == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Save", "no point"),
        ("Send (310,100)", "wrote another text than the one asked for"),
        ("Save (310,100)", "right text, point near the box"),
        ("(310,600)", "right text, point elsewhere"),
    ],
)
def test_a_point(text: str, fault: str) -> None:
    target = ground("Save", (100, 50, 200, 100), picture(1))
    target = dataclasses.replace(target, meta={**target.meta, "answer": "Save (200,100)"})
    assert causes.of(target, said("", text)) == fault
