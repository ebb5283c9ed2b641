"""Checks of answers with one exact right value: numbers, choices, short texts, points on a picture.

Every check starts from the answer alone (what follows `</think>`); an unclosed thought is a failure in any case.
Plain numbers are compared exactly by our own rule. Only expressions (fractions, LaTeX) go to math-verify, which works
by an alarm signal and so in the main thread alone; elsewhere they count as wrong and the reason says so. Where it takes
too long nobody knows: `decide` raises then, for those who count such answers, and `check` takes the answer as wrong.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import math_verify
from math_verify.errors import TimeoutException

from lapis import actions, constraints
from lapis.sandbox import grade
from lapis.types import InputError, Verdict

LONGEST = 256
"""Characters of an answer that are looked at; a longer one is wrong, so that no check can be made slow."""
LONGEST_TEXT = 20_000
"""The same for the verifiers of WHOLE."""
DEEPEST = 4
"""Most brackets within each other: a model that repeats one writes dozens, which math-verify reads for seconds."""
SECONDS = 5
"""Most that math-verify may take to read an expression, and to compare two: a tenth of one, if nothing else runs."""
PLAIN = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?")
"""A plain number, with or without thousands separators."""
EXPRESSION = re.compile(r"(?:\\(?:d?frac|sqrt|cdot|times|pi|left|right)|[0-9.+\-*/(){} ])+")
"""What may go to math-verify: no powers, factorials or names, whose value could be too large to compute."""
CHOICE = re.compile(r"[(\[]?([A-Za-z])[)\].:]?")
SAID_CHOICE = re.compile(
    r"(?:answer|option|choice|答案|选项|选)(?:\s+is|是|为)?\s*[::]?\s*[(\[]?([A-Z])(?![A-Za-z])", re.I
)
POINT = re.compile(r"\(\s*([0-9]{1,4}(?:\.[0-9]+)?)\s*,\s*([0-9]{1,4}(?:\.[0-9]+)?)\s*\)")
SCALE = 1000
"""Points and boxes are in thousandths of the picture."""
WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
"""Full-width forms to ASCII. Not NFKC, which would read 4\u00b2 as 42."""
ENDS = " \t\r\n.。,;:!?\"'$*`"
"""What may surround a text without changing it."""
NUMBER_ENDS = " \t\r\n.。$¥€£*`"
"""What may surround a number; not `!`, which would make it another one."""


def answer_of(text: str) -> str | None:
    r"""The content of the last `\boxed{...}`, or else the whole text, stripped; None where nothing is left."""
    start = text.rfind("\\boxed{")
    inside = _braced(text, start + len("\\boxed")) if start >= 0 else text
    return (inside or "").strip() or None


def parse_point(text: str) -> tuple[float, float] | None:
    """(x, y) in thousandths of the picture from `(123,045)`; None unless there is exactly one point within 0-1000."""
    found = POINT.findall(text[:LONGEST].translate(WIDE))
    if len(found) != 1:
        return None
    x, y = map(float, found[0])
    return (x, y) if x <= SCALE and y <= SCALE else None


def point_text(box: Sequence[float]) -> str:
    """The middle of a box (x, y, w, h in thousandths) as `(123,045)`: the form that `parse_point` reads."""
    x, y, w, h = box
    across, down = (min(SCALE - 1, max(0, int(share))) for share in (x + w / 2, y + h / 2))
    return f"({across:03d},{down:03d})"


def astray(point: tuple[float, float], box: Sequence[float]) -> float:
    """How far a point lies outside a box (x, y, w, h), in their unit; 0 within it."""
    (px, py), (x, y, w, h) = point, box
    return math.hypot(max(x - px, px - x - w, 0), max(y - py, py - y - h, 0))


class Undecided(Exception):
    """Whether an answer is right could not be told; the message says why."""


def check(meta: Mapping[str, Any], answer: str, closed: bool = True) -> Verdict:
    """Like `decide`, and wrong where that is undecided."""
    try:
        return decide(meta, answer, closed)
    except Undecided as error:
        return Verdict(0.0, str(error))


def decide(meta: Mapping[str, Any], answer: str, closed: bool = True) -> Verdict:
    """Score 1 or 0 of what a model wrote after its thought, with the reason.

    `meta` is a sample's: `verifier` is number, choice, text (these want `answer`), point (wants `box`, x, y, width and
    height in thousandths), action (wants `action`: its name and fields, and the `boxes` that its coordinates must
    hit), constraints (wants `constraints`, lapis/constraints.py) or code (wants `tests`, lapis/sandbox/grade.py); these
    two read the whole answer. `closed` is false where a thought was still open at the end. Raises InputError where
    `meta` names no known verifier or lacks its value, and Undecided for an answer whose check takes too long.
    """
    name = meta.get("verifier")
    if name not in VERIFIERS:
        raise InputError(f"meta.verifier: expected one of {', '.join(VERIFIERS)}, got {name!r}")
    verifier, wanted = VERIFIERS[name]
    if meta.get(wanted) is None:
        raise InputError(f"meta.{wanted}: the verifier '{name}' needs it")
    if not closed:
        return Verdict(0.0, "the thought was not closed")
    longest = LONGEST_TEXT if name in WHOLE else LONGEST
    if len(answer) > longest:
        return Verdict(0.0, f"longer than {longest} characters")
    given = answer.strip() if name in WHOLE else answer_of(answer)
    return verifier(meta[wanted], given) if given else Verdict(0.0, "no answer")


def _number(right: Any, given: str) -> Verdict:
    expected, got = _plain(str(right)), _plain(given)
    if expected is not None and got is not None:
        return _verdict(expected == got, given, right)
    return _expression(str(right), given)


def _plain(text: str) -> Fraction | None:
    text = text.translate(WIDE).strip(NUMBER_ENDS).replace("\u2212", "-")
    return Fraction(text.replace(",", "")) if PLAIN.fullmatch(text) else None


def _expression(right: str, given: str) -> Verdict:
    text = given.translate(WIDE).strip(NUMBER_ENDS)
    if not EXPRESSION.fullmatch(text) or "**" in text or "//" in text or _depth(text) > DEEPEST:
        return Verdict(0.0, f"{given!r} is no number")
    if threading.current_thread() is not threading.main_thread():
        return Verdict(0.0, f"{given!r} is no plain number, and expressions are checked in the main thread only")
    return _verdict(_equal(right, text), given, right)


def _depth(text: str) -> int:
    """Most brackets of an expression that are open at once."""
    return max(itertools.accumulate((one in "({") - (one in ")}") for one in text))


def _equal(right: str, given: str) -> bool:
    """Whether two expressions have one value; what cannot be computed equals nothing."""
    try:
        sides = [f"${side}$" for side in (right, given)]
        parsed = [math_verify.parse(side, parsing_timeout=SECONDS, raise_on_error=True) for side in sides]
        return bool(math_verify.verify(*parsed, timeout_seconds=SECONDS, raise_on_error=True))
    except TimeoutException:  # no Exception, lest sympy takes it for its own
        raise Undecided(f"an expression that is not compared within {SECONDS} s") from None
    except Exception:  # whatever sympy throws
        return False


def _choice(right: Any, given: str) -> Verdict:
    text = _unwrapped(given).translate(WIDE).strip()
    found = CHOICE.fullmatch(text) or SAID_CHOICE.search(text)
    if not found or len(SAID_CHOICE.findall(text)) > 1:
        return Verdict(0.0, f"{given!r} names no single choice")
    return _verdict(found[1].upper() == str(right).upper(), given, right)


def _text(right: Any, given: str) -> Verdict:
    said = _normal(given)
    return _verdict(bool(said) and said == _normal(str(right)), given, right)


def _point(box: Any, given: str) -> Verdict:
    point = parse_point(given)
    if point is None:
        return Verdict(0.0, f"{given!r} is no single point in 0-{SCALE}")
    x, y, width, height = map(float, box)
    inside = x <= point[0] <= x + width and y <= point[1] <= y + height
    return Verdict(float(inside), f"({point[0]:g},{point[1]:g}) is {'in' if inside else 'outside'} the box")


def pointed(meta: Mapping[str, Any], answer: str) -> tuple[float, float] | None:
    """The place, in thousandths, that an answer points at, as text or as an action; None where it is no such answer."""
    if meta.get("verifier") != "action":
        return parse_point(answer)
    try:
        return getattr(actions.parse(answer_of(answer) or ""), "coordinate", None)
    except InputError:
        return None


def _action(right: Any, given: str) -> Verdict:
    try:
        action = actions.parse(given)
    except InputError as error:
        return Verdict(0.0, str(error))
    if action.name != right["action"]:
        return Verdict(0.0, f"{action.name}, expected {right['action']}")
    fields = actions.arguments(action)
    for name in ("text", "button", "seconds", "status"):
        if _normal(str(fields.get(name, ""))) != _normal(str(right.get(name, ""))):
            return Verdict(0.0, f"{action.name}.{name}: {fields.get(name)!r}, expected {right[name]!r}")
    if action.name == "swipe":
        ways = [_way(one["coordinate"], one["coordinate2"]) for one in (fields, right)]
        return _verdict(ways[0] == ways[1], *ways)
    ends = (fields.get("coordinate"), fields.get("coordinate2"))
    missed = [box for box, end in zip(right["boxes"], ends, strict=False) if end is None or astray(end, box)]
    return Verdict(float(not missed), f"{given!r} is {'outside the box' if missed else 'right'}")


def _way(start: Sequence[float], end: Sequence[float]) -> str:
    """Where a swipe goes: up, down, left or right."""
    across, down = end[0] - start[0], end[1] - start[1]
    if abs(across) > abs(down):
        return "right" if across > 0 else "left"
    return "down" if down > 0 else "up"


def _verdict(same: bool, given: str, right: Any) -> Verdict:
    return Verdict(float(same), f"{given!r} is {right!r}" if same else f"{given!r}, expected {right!r}")


def _normal(text: str) -> str:
    return " ".join(_unwrapped(text).translate(WIDE).casefold().strip(ENDS).split())


def _unwrapped(text: str) -> str:
    r"""Without a surrounding `\text{...}`."""
    found = re.fullmatch(r"\s*\\text(?:bf|rm)?\{(.*)\}\s*", text, re.S)
    return found[1] if found else text


def _braced(text: str, start: int) -> str | None:
    """What stands in the braces that open at `start`; None where they never close."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 1 : place]
    return None


VERIFIERS: dict[str, tuple[Callable[[Any, str], Verdict], str]] = {
    "number": (_number, "answer"),
    "choice": (_choice, "answer"),
    "text": (_text, "answer"),
    "point": (_point, "box"),
    "action": (_action, "action"),
    "constraints": (constraints.check, "constraints"),
    "code": (grade.check, "tests"),
}
"""Check and the field of `meta` that it compares with, by name."""
WHOLE = ("constraints", "code")
"""Verifiers of a whole answer rather than of one value in it."""
