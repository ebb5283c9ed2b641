"""Answers are checked exactly: right ones pass in every usual form, hostile ones fail without an exception."""

from __future__ import annotations

import threading
from typing import Any

import math_verify
import pytest
from math_verify.errors import TimeoutException

from lapis import verify
from lapis.types import InputError, Verdict
from lapis.verify import DEEPEST, LONGEST, SECONDS, Undecided, answer_of, check, decide, parse_point, pointed


def number(answer: str, right: str = "42") -> float:
    return check({"verifier": "number", "answer": right}, answer).score


@pytest.mark.parametrize(
    "text, inside",
    [
        ("42", "42"),
        ("  42\n", "42"),
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("", None),
        (" \n", None),
        (r"\boxed{}", None),
        (r"\boxed{42", None),
    ],
)
def test_answer_of(text: str, inside: str | None) -> None:
    assert answer_of(text) == inside


@pytest.mark.parametrize(
    "answer", ["42", " 42 ", "42.", "+42", "42.0", "042", r"\boxed{42}", "42", "$42$", r"\frac{84}{2}"]
)
def test_number_right(answer: str) -> None:
    assert number(answer) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "41",
        "4 2",
        "42 or 43",
        "-42",
        "nan",
        "NaN",
        "inf",
        "42e0x",
        "4\u00b2",
        "\u0664\u0662",
        "4\u200b2",
        "9**9**9**9",
        "9^9^9^9",
        "42!",
        "9" * 10000,
        "42" + " " * LONGEST,
        "(" * 200,
        r"\frac{42}{0}",
        r"\boxed{" * 20,
        "\x00",
        "__import__('os')",
    ],
)
def test_number_wrong(answer: str) -> None:
    assert number(answer) == 0.0


def test_number_of_many_digits_is_exact() -> None:
    assert number("9007199254740993", "9007199254740993") == 1.0
    assert number("9007199254740992", "9007199254740993") == 0.0
    assert number("1,234,567", "1234567") == 1.0
    assert number("12,34", "1234") == 0.0
    assert number("-7", "-7") == 1.0


def test_expressions_are_equal_by_value() -> None:
    assert number(r"\boxed{\frac{1}{2}}", "0.5") == 1.0
    assert number("1/2", r"\frac{1}{2}") == 1.0
    assert number("1/3", "0.5") == 0.0


@pytest.mark.parametrize("step", ["parse", "verify"])
def test_what_takes_too_long_is_not_decided(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: Any, raise_on_error: bool = False, **__: Any) -> list[Any]:
        if raise_on_error:
            raise TimeoutException("as math-verify tells it")
        return []

    monkeypatch.setattr(math_verify, step, late)
    meta = {"verifier": "number", "answer": "1/2"}
    reason = f"an expression that is not compared within {SECONDS} s"
    with pytest.raises(Undecided, match=reason):
        decide(meta, "2/4")
    assert check(meta, "2/4") == Verdict(0.0, reason)
    assert decide(meta, "0.25 apples").score == 0.0 and decide({**meta, "answer": "0.5"}, "0.5").score == 1.0


@pytest.mark.parametrize("answer", ["(" * 9, "{" * 200, "(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1)])
def test_brackets_that_no_number_has_cost_no_time(answer: str) -> None:
    assert check({"verifier": "number", "answer": "1"}, answer).reason.endswith("is no number")


def test_some_brackets_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SECONDS", 300)  # however busy the machine is
    assert number("(" * DEEPEST + "42" + ")" * DEEPEST) == 1.0


def test_threads_use_the_exact_rule_alone() -> None:
    seen: list[Verdict] = []
    meta = {"verifier": "number", "answer": "42"}
    worker = threading.Thread(target=lambda: seen.extend(check(meta, text) for text in ("42", "84/2")))
    worker.start()
    worker.join()
    assert [verdict.score for verdict in seen] == [1.0, 0.0]
    assert "main thread" in seen[1].reason


def choice(answer: str) -> float:
    return check({"verifier": "choice", "answer": "A"}, answer).score


@pytest.mark.parametrize(
    "answer",
    [
        "A",
        "a",
        "(A)",
        "A)",
        "A.",
        r"\boxed{A}",
        r"\boxed{\text{A}}",
        "A",
        "The answer is A.",
        "Option (A) fits",
        "答案是A。",
        "选A",
    ],
)
def test_choice_right(answer: str) -> None:
    assert choice(answer) == 1.0


@pytest.mark.parametrize(
    "answer", ["", "B", "AB", "A or B", "An apple", "the answer is apple", "\u0410", "answer A, or answer B", "1"]
)
def test_choice_wrong(answer: str) -> None:
    assert choice(answer) == 0.0


def test_text_ignores_case_ends_and_width() -> None:
    meta = {"verifier": "text", "answer": "Green tea"}
    for answer in ("green tea", " Green  tea. ", r"\boxed{\text{Green tea}}", "Green Tea"):
        assert check(meta, answer).score == 1.0
    for answer in ("", ".", "green", "green tea or milk", "tea green"):
        assert check(meta, answer).score == 0.0
    assert check({"verifier": "text", "answer": "偶数"}, "偶数。").score == 1.0
    assert check({"verifier": "text", "answer": "."}, "!").score == 0.0


@pytest.mark.parametrize(
    "text, point",
    [
        ("(123,045)", (123.0, 45.0)),
        ("tap (0, 1000)", (0.0, 1000.0)),
        ("(12.5,7)", (12.5, 7.0)),
        ("", None),
        ("123,045", None),
        ("(1001,5)", None),
        ("(-1,5)", None),
        ("(nan,nan)", None),
        ("(1,2) (3,4)", None),
        ("(99999999999,5)", None),
        ("(\u0661,\u0662)", None),
        ("(1,2" * 5000, None),
    ],
)
def test_parse_point(text: str, point: tuple[float, float] | None) -> None:
    assert parse_point(text) == point


def test_point_lies_in_its_box() -> None:
    meta = {"verifier": "point", "box": [100.0, 200.0, 50.0, 20.0]}
    for answer in ("(100,200)", "(150,220)", "(125,210)", r"\boxed{(125,210)}"):
        assert check(meta, answer).score == 1.0
    for answer in ("(099,210)", "(151,210)", "(125,221)", "(125,199)", "none", ""):
        assert check(meta, answer).score == 0.0
    nowhere = {"verifier": "point", "box": [float("nan")] * 4}
    assert check(nowhere, "(100,200)").score == 0.0


def test_an_open_thought_fails() -> None:
    verdict = check({"verifier": "number", "answer": "42"}, "42", closed=False)
    assert verdict.score == 0.0 and "closed" in verdict.reason


@pytest.mark.parametrize(
    "meta", [{}, {"verifier": "magic"}, {"verifier": "number"}, {"verifier": "point", "answer": "1"}]
)
def test_wrong_meta_is_named(meta: dict[str, str]) -> None:
    with pytest.raises(InputError, match="^meta\\."):
        check(meta, "42")


BOX, OTHER = [100, 100, 50, 50], [500, 500, 50, 50]


@pytest.mark.parametrize(
    ("right", "said", "score"),
    [
        ({"action": "click", "boxes": [BOX]}, '{"action":"click","coordinate":[120,149]}', 1),
        ({"action": "click", "boxes": [BOX]}, '{"action":"click","target":"x","coordinate":[100,150]}', 1),
        ({"action": "click", "boxes": [BOX]}, '{"action":"click","coordinate":[120,151]}', 0),
        ({"action": "click", "boxes": [BOX]}, '{"action":"long_press","coordinate":[120,120]}', 0),
        ({"action": "click", "boxes": [BOX]}, "(120,120)", 0),
        (
            {"action": "type", "text": "Rome", "boxes": [BOX]},
            '{"action":"type","coordinate":[120,120],"text":"Rome"}',
            1,
        ),
        (
            {"action": "type", "text": "Rome", "boxes": [BOX]},
            '{"action":"type","coordinate":[120,120],"text":"Oslo"}',
            0,
        ),
        ({"action": "type", "text": "Rome", "boxes": [BOX]}, '{"action":"type","text":"Rome"}', 0),
        (
            {"action": "drag", "boxes": [BOX, OTHER]},
            '{"action":"drag","coordinate":[120,120],"coordinate2":[510,510]}',
            1,
        ),
        (
            {"action": "drag", "boxes": [BOX, OTHER]},
            '{"action":"drag","coordinate":[510,510],"coordinate2":[120,120]}',
            0,
        ),
        (
            {"action": "swipe", "coordinate": [500, 750], "coordinate2": [500, 250], "boxes": []},
            '{"action":"swipe","coordinate":[300,600],"coordinate2":[280,500]}',
            1,
        ),
        (
            {"action": "swipe", "coordinate": [500, 750], "coordinate2": [500, 250], "boxes": []},
            '{"action":"swipe","coordinate":[300,600],"coordinate2":[280,700]}',
            0,
        ),
        ({"action": "terminate", "status": "success", "boxes": []}, '{"action":"terminate","status":"success"}', 1),
        ({"action": "terminate", "status": "success", "boxes": []}, '{"action":"terminate","status":"failure"}', 0),
        ({"action": "wait", "seconds": 3, "boxes": []}, '{"action":"wait","seconds":4}', 0),
        ({"action": "answer", "text": "42", "boxes": []}, '{"action":"answer","text":" 42. "}', 1),
    ],
)
def test_actions(right: dict[str, object], said: str, score: float) -> None:
    assert check({"verifier": "action", "action": right}, said).score == score


def test_where_an_answer_points() -> None:
    assert pointed({"verifier": "point"}, "Save (120,050)") == (120, 50)
    assert pointed({"verifier": "action"}, '{"action":"click","coordinate":[120,50]}') == (120, 50)
    assert pointed({"verifier": "action"}, '{"action":"wait","seconds":1}') is None
    assert pointed({"verifier": "action"}, "(120,050)") is None
