"""What is taken as a rewritten problem, and what is refused with which reason."""

from __future__ import annotations

import pytest

from lapis.data.answers.rewrite import request, rewritten, ways
from lapis.data_config.answers import Answers, Way
from lapis.remote.request import Reply, refused
from lapis.types import Image, Sample, Text, Turn
from tests.data.answers.endpoint import question
from tests.serve.scripted import png

ASKED = "Ann has 12 apples and gives 5 away. How many are left?"
PROBLEM = Sample("math/word", "en", "s", "MIT", (Turn("user", (Text(ASKED),)),),
                 meta={"answer": "7", "verifier": "number"})  # fmt: skip
DOCUMENT = Sample("prose", "en", "book", "MIT", (Turn("assistant", (Text("The Tagus ends in Lisbon. " * 9),)),),
                  document=True)  # fmt: skip


def wrote(text: str, finish: str = "stop") -> Reply:
    return Reply(text, "", True, finish, 1, 1, 0, 0.0)


def test_other_words_keep_the_answer_and_another_problem_has_none() -> None:
    text = "From her 12 apples Ann hands out 5. How many does she still have?"
    same = rewritten(PROBLEM, "reword", wrote(f" {text}\n"))
    assert isinstance(same, Sample) and same.turns[0].text == text
    assert same.meta == {**PROBLEM.meta, "way": "reword", "from": PROBLEM.fingerprint}
    other = rewritten(PROBLEM, "vary", wrote("Bob has 30 pens and loses 4 of them. How many has he now?"))
    assert isinstance(other, Sample) and set(other.meta) == {"way", "from"} and other.licence == "MIT"


@pytest.mark.parametrize(
    "text, why",
    [
        (ASKED.upper(), "same text"),
        ("From her 12 apples Ann hands out 6. How many does she still have?", "other numbers"),
        ("Ann 12 5?", "length"),
        (ASKED * 3, "length"),
        ("安有 12 个苹果,送给别人 5 个,请问安手里还剩下多少个苹果呢?", "other language"),
    ],
)
def test_what_is_no_rewrite(text: str, why: str) -> None:
    assert rewritten(PROBLEM, "reword", wrote(text)) == why


def test_replies_that_are_none() -> None:
    assert rewritten(PROBLEM, "reword", wrote("From her", "length")) == "cut off"
    assert rewritten(PROBLEM, "reword", refused(question("?"), "400")) == "refused"


def test_a_question_is_made_of_a_document() -> None:
    made = rewritten(DOCUMENT, "ask", wrote('Here: {"question": "Where does the Tagus end?", "answer": "Lisbon"}'))
    assert isinstance(made, Sample) and not made.document and made.kind == "knowledge/text" and made.source == "book"
    assert made.meta["answer"] == "Lisbon" and made.meta["verifier"] == "text"
    for text, why in (
        ("Where does it end?", "no JSON"),
        ('{"question": "Where?"}', "no JSON"),
        ('["question"]', "no JSON"),
        ('{"question": "Where?", "answer": ""}', "no short answer"),
        ('{"question": "河流在哪里结束?", "answer": "里斯本"}', "other language"),
    ):
        assert rewritten(DOCUMENT, "ask", wrote(text)) == why


def test_which_ways_fit_which_problem() -> None:
    settings = Answers(ways=("reword", "vary", "ask"))
    pictured = Sample("chat", "en", "s", "MIT", (Turn("user", (Image(png(), 40, 30), Text("What?"))),))
    several = Sample("chat", "en", "s", "MIT", (*PROBLEM.turns, Turn("assistant", (Text("7"),)), *PROBLEM.turns))
    pointed = Sample("screen/ground", "en", "s", "MIT", PROBLEM.turns, meta={"verifier": "point", "box": [0, 0, 1, 1]})
    found = [ways(one, settings) for one in (PROBLEM, DOCUMENT, pictured, several, pointed)]
    assert found == [["reword", "vary"], ["ask"], ["reword"], [], []]


@pytest.mark.parametrize("way, lang", [(way, lang) for way in ("reword", "vary", "ask") for lang in ("en", "zh")])
def test_each_way_is_asked_in_the_language_of_the_problem(way: Way, lang: str) -> None:
    problem = Sample("math/word", lang, "s", "MIT", (Turn("user", (Text(ASKED),)),))
    first, second = (request(problem, way, number, Answers()) for number in (0, 1))
    words = first.turns[0].text
    assert words.endswith(ASKED) and words.isascii() == (lang == "en") and first.seed != second.seed
