"""Problems are found in files of both sorts, each once, with what their answers are checked by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lapis.data import store
from lapis.data.answers.problems import fits, gather, lang_of, verifier_of
from lapis.data.synth import questions
from lapis.types import Image, InputError, Sample, Text, Turn
from lapis.verify import check
from tests.serve.scripted import data_uri, png


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_lines_of_json_under_the_usual_names(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    path = lines(
        tmp_path / "p.jsonl",
        {"question": "Six by seven?", "answer": "6*7 = 42\n#### 42"},
        {"problem": "x = 1/2. x?", "answer": r"so \boxed{\frac{1}{2}}"},
        {"instruction": "Pick.", "input": "A or B", "answer": "B", "kind": "chat", "licence": "MIT", "source": "s"},
        {"prompt": "首都是哪里?", "target": "北京"},
        {"question": "Say something."},
        {"question": "What is shown?", "answer": "a square", "images": ["a.png", data_uri(png(7))]},
        {"question": "six BY  seven?", "answer": "42"},
    )
    found = list(gather([path]))
    metas = [(one.meta.get("verifier"), one.meta.get("answer")) for one in found]
    assert metas == [("number", "42"), ("number", r"\frac{1}{2}"), ("choice", "B"), ("text", "北京"), (None, None),
                     ("text", "a square")]  # fmt: skip
    assert found[2].turns[0].text == "Pick.\n\nA or B" and (found[2].licence, found[2].source) == ("MIT", "s")
    assert found[3].lang == "zh" and found[0].source == "p.jsonl#1" and len(found[5].images) == 2
    assert len(list(gather([path], limit=3))) == 3


def test_samples_lose_their_answers_and_keep_how_they_are_checked(tmp_path: Path) -> None:
    made = list(questions.generate(40, 0, "train"))
    document = Sample("prose", "en", "s", "CC0-1.0", (Turn("assistant", (Text("Some text."),)),), document=True)
    store.write_samples(tmp_path / "s.parquet", [*made, document])
    found = list(gather([tmp_path]))
    assert len(found) == 41 and found[-1] == document
    for problem, sample in zip(found, made, strict=False):
        assert [turn.role for turn in problem.turns] == ["user"] and not problem.think and problem.budget is None
        assert check(problem.meta, sample.turns[-1].text).score == 1


def test_long_documents_fit_and_long_questions_do_not() -> None:
    text = (Text("word " * 4000),)
    document = Sample("prose", "en", "s", "CC0-1.0", (Turn("assistant", text),), document=True)
    assert fits(document) and not fits(Sample("chat", "en", "s", "MIT", (Turn("user", text),)))


@pytest.mark.parametrize(
    "row, told",
    [
        ("{", "line 1: no JSON"),
        ("[]", "expected an object"),
        ('{"answer": "1"}', "expected one of question"),
        ('{"question": "?", "answer": "1", "verifier": "magic"}', "verifier 'magic'"),
        ('{"question": "?", "images": ["../../etc/passwd"]}', "leaves the folder"),
        ('{"question": "?", "images": ["none.png"]}', "no image there"),
        ('{"question": "?", "images": [3]}', "paths or data URIs"),
        ('{"question": "?", "images": ["data:image/png;base64,%%"]}', "base64 of an image is broken"),
        ('{"question": "?", "images": ["data:image/png;base64,AAAA"]}', "not a picture"),
    ],
)
def test_a_line_that_is_no_problem_is_told_with_its_place(tmp_path: Path, row: str, told: str) -> None:
    (tmp_path / "p.jsonl").write_text(row + "\n")
    with pytest.raises(InputError, match=told):
        list(gather([tmp_path / "p.jsonl"]))


@pytest.mark.parametrize("name", ["none.jsonl", "none.parquet"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="there"):
        list(gather([tmp_path / name]))


@pytest.mark.parametrize(
    "answer, name",
    [("42", "number"), ("1,000.5", "number"), (r"\frac{1}{2}", "number"), ("3/4", "number"), ("(B)", "choice"),
     ("B", "choice"), ("Seville", "text"), ("北京", "text"), ("()", "text"), ("12 apples", "text")],
)  # fmt: skip
def test_what_an_answer_is_checked_by(answer: str, name: str) -> None:
    assert verifier_of(answer) == name


def test_languages() -> None:
    assert [lang_of(text) for text in ("What?", "什么", "求 x+y=3 的解", "The word 你好 in English", "12")] == [
        "en", "zh", "zh", "en", "en"]  # fmt: skip


def test_the_picture_of_a_problem_is_part_of_it(tmp_path: Path) -> None:
    turns = [(Turn("user", (Image(png(red), 40, 30), Text("What?"))),) for red in (1, 2, 1)]
    store.write_samples(tmp_path / "s.parquet", [Sample("chat", "en", "s", "CC0-1.0", one) for one in turns])
    assert len(list(gather([tmp_path / "s.parquet"]))) == 2
