r"""Whether code passes tests: pairs of stdin and stdout, or asserts.

Unusual: what is right never enters the sandbox. An assert `assert f(2) == 4` is taken apart here: the sandbox evaluates
`f(2)` and writes its value as a literal, which is compared with 4 outside; so code that ends early, overloads `==`,
reads its caller's frames or answers by the tests has nothing to read. Ours.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lapis.sandbox.run import LIMITS, Limits, run
from lapis.types import InputError, Verdict

FENCE = re.compile(r"```(?:python|py|python3)?[ \t]*\n(.*?)```", re.S | re.I)
Call = tuple[str, Any]
"""An expression, and the value that it must have."""


def code_of(text: str) -> str:
    """The last fenced block of an answer, or else the whole of it."""
    found = FENCE.findall(text)
    return found[-1] if found else text


def check(tests: Any, answer: str, limits: Limits = LIMITS) -> Verdict:
    """Score 1 where the code of an answer passes every test, else 0 with the first that it does not.

    `tests` is a list of `{"stdin": text, "stdout": text}` (compared line by line without spaces at the ends, each in a
    run of its own) and of asserts as text (all in one run; imports may stand before them). Raises InputError for tests
    that are neither, and where this machine has no sandbox.
    """
    if not isinstance(tests, Sequence) or isinstance(tests, str) or not tests:
        raise InputError(f"meta.tests: {str(tests)[:80]!r}, expected a list of tests")
    code = code_of(answer)
    asserts = [one for one in tests if isinstance(one, str)]
    pairs = [_pair(one) for one in tests if not isinstance(one, str)]
    wrong = _asserts(code, asserts, limits) if asserts else ""
    for stdin, stdout in pairs:
        wrong = wrong or _program(code, stdin, stdout, limits)
    return Verdict(float(not wrong), wrong or f"passes {len(tests)} tests")


def _pair(test: Any) -> tuple[str, str]:
    if isinstance(test, Mapping) and all(isinstance(test.get(name), str) for name in ("stdin", "stdout")):
        return test["stdin"], test["stdout"]
    raise InputError(f"meta.tests: {str(test)[:80]!r}, expected an assert, or stdin and stdout")


def _program(code: str, stdin: str, stdout: str, limits: Limits) -> str:
    """What is wrong with a program's output; empty where nothing is."""
    ran = run(code, stdin, limits=limits)
    if ran.fault:
        return ran.fault
    return "" if _lines(ran.stdout) == _lines(stdout) else f"wrote {ran.stdout[:80]!r}, expected {stdout[:80]!r}"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def _asserts(code: str, asserts: Sequence[str], limits: Limits) -> str:
    """What is wrong with the values of the asserts' calls; empty where nothing is."""
    setup, calls = taken_apart(asserts)
    ran = run("\n".join((code, *setup)), calls=[call for call, _ in calls], limits=limits)
    for place, (call, right) in enumerate(calls):
        if place >= len(ran.values):
            return ran.fault or f"{call}: no value"
        if not _equal(ran.values[place], right):
            return f"{call} is {ran.values[place][:80]}, expected {right!r:.80}"
    return ran.fault


def _equal(said: str, right: Any) -> bool:
    try:
        return bool(ast.literal_eval(said) == right)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def taken_apart(asserts: Sequence[str]) -> tuple[list[str], list[Call]]:
    """Imports as they are, and the calls of asserts with their right values.

    `assert call == literal` (either way round) wants the literal; any other expression wants to be true. Raises
    InputError for text that is no assert or import.
    """
    setup, calls = [], []
    for text in asserts:
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError) as error:
            raise InputError(f"meta.tests: {text[:80]!r} is no Python ({error})") from None
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                setup.append(ast.unparse(node))
            elif isinstance(node, ast.Assert):
                calls.append(_call(node.test))
            else:
                raise InputError(f"meta.tests: {ast.unparse(node)[:80]!r}, expected asserts and imports")
    return setup, calls


def _call(test: ast.expr) -> Call:
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        for call, literal in ((test.left, test.comparators[0]), (test.comparators[0], test.left)):
            try:
                return ast.unparse(call), ast.literal_eval(literal)
            except (ValueError, TypeError):
                continue
    return f"bool({ast.unparse(test)})", True
