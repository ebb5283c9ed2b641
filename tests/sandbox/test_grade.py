"""Tests of code: what passes, what does not, and tricks that would pass an assert inside."""

from __future__ import annotations

import pytest

from lapis import verify
from lapis.sandbox.grade import check, code_of, taken_apart
from lapis.types import InputError

SQUARE = ["import math\nassert square(3) == 9", "assert [1, 4] == [square(n) for n in (1, 2)]", "assert square(2) > 3"]


def test_code_is_the_last_fenced_block() -> None:
    assert code_of("so\n```python\na = 1\n```\nor\n```\nb = 2\n```\n") == "b = 2\n"
    assert code_of("print(1)") == "print(1)"


def test_asserts_are_taken_apart() -> None:
    setup, calls = taken_apart(SQUARE)
    assert setup == ["import math"]
    assert calls == [
        ("square(3)", 9),
        ("[square(n) for n in (1, 2)]", [1, 4]),
        ("bool(square(2) > 3)", True),
    ]


def test_code_that_passes_and_code_that_does_not() -> None:
    meta = {"verifier": "code", "tests": SQUARE}
    assert verify.check(meta, "```python\ndef square(n):\n    return n * n\n```").score == 1
    wrong = verify.check(meta, "def square(n): return n + n")
    assert wrong.score == 0 and wrong.reason == "square(3) is 6, expected 9"
    assert verify.check(meta, "def square(n): return n * n", closed=False).score == 0
    assert verify.check(meta, "").reason == "no answer"
    assert "longer than" in verify.check(meta, "#" * 30_000).reason


def test_programs_are_judged_by_what_they_write() -> None:
    tests = [{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "2 5\n", "stdout": "7"}]
    assert check(tests, "print(sum(map(int, input().split())))\nraise SystemExit").score == 1
    wrong = check(tests, "print(3)")
    assert wrong.score == 0 and "expected '7'" in wrong.reason
    assert check(tests, "1 / 0").reason == "ZeroDivisionError: division by zero"


TRICKS = {
    "ends early": "import sys\nsys.exit(0)",
    "equals everything": "class Yes(int):\n    __eq__ = lambda *_: True\n    __hash__ = int.__hash__\n"
    "def square(n): return Yes(1)",
    "says it passed": "import os\nos.write(1, b'9\\n[1, 4]\\nTrue\\n')\nos._exit(0)",
    "looks at its caller": "import sys\ndef square(n):\n    return max(v for f in (sys._getframe(1), sys._getframe(2)) "
    "for v in f.f_locals.values() if isinstance(v, int))",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_do_not_pass(trick: str) -> None:
    assert check(SQUARE, TRICKS[trick]).score == 0


@pytest.mark.parametrize("tests", [[], "assert f()", [3], [{"stdin": "1"}], ["x = 1"], ["assert ("]])
def test_tests_that_are_none_are_refused(tests: object) -> None:
    with pytest.raises(InputError, match="meta.tests"):
        check(tests, "print(1)")
