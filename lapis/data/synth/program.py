"""A worked calculation: what every generated question is inside, whatever its words and its language.

A `Program` is a start value and a chain of changes to it (`+`, `-`, `*` by a small number, `/` by two); a change may
bring a small term of its own (`24*3`, `(81-26)`).

Thoughts are written in one notation for all kinds of questions and both languages (ours). Full detail first copies
the numbers and what happens to them from the question, one lettered line each, and then works line by line:

    a37                 what the question says, in its order
    b+48
    c-29
    d*3
    a=37
    b+48:15,08=85       7+8 is 15: carry 1, digit 5;  3+4+1 is 08: carry 0, digit 8
    c-29:16,05=56       5-9 borrows 1 and leaves 6;   8-2-1 leaves 5
    d*3:18,16=168       6*3 is 18: carry 1, digit 8;  5*3+1 is 16

Each digit column is two digits, carry and digit, units first. `/2` goes from the front and carries the remainder. A
term of its own is worked out before it is used (`c+24*3:12,07=72:07,15=157`). Terse detail has the running values only
(`a37`, `b+48=85`). Reading and working are kept apart, and the letters lead from one to the other, so that each token
follows from few others: a copied line from the line before it and its place in the question, a worked line from its
letter, and a digit from two digits and a carry. That is what a small decoder can learn from few samples.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

LOWEST, HIGHEST = 10, 199
"""Range of every intermediate result and answer of a chain, so that no digit count is new in held-out questions."""
HELD_VALUES: tuple[int, ...] = (*range(37, 44), *range(64, 70), *range(86, 93))
"""Two-digit numbers that stand in held-out questions and in no training question."""
TRAIN_VALUES: tuple[int, ...] = tuple(number for number in range(10, 100) if number not in HELD_VALUES)
"""Two-digit numbers that may stand in training questions."""
LETTERS = "abcdefgh"
"""Names of the lines of a thought."""
FACTORS: tuple[int, ...] = (2, 3, 4, 5)
"""Multipliers and counts, in training and held-out questions alike."""
SIGN_WEIGHTS = {"+": 5, "-": 5, "*": 2, "/": 1}
"""How often each change is drawn."""
COMPOUND = 0.25
"""Share of terms that are a small calculation of their own."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One calculation with its result."""

    left: int
    sign: str
    right: int

    @property
    def result(self) -> int:
        if self.sign == "+":
            return self.left + self.right
        if self.sign == "-":
            return self.left - self.right
        return self.left * self.right if self.sign == "*" else self.left // self.right


@dataclass(frozen=True, slots=True)
class Term:
    """A number, or a small calculation that stands in its place."""

    first: int
    sign: str = ""
    second: int = 0

    @property
    def operation(self) -> Operation | None:
        return Operation(self.first, self.sign, self.second) if self.sign else None

    @property
    def value(self) -> int:
        return self.operation.result if self.operation else self.first


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to the running value. `*` and `/` take a plain factor as their term."""

    sign: str
    term: Term


@dataclass(frozen=True, slots=True)
class Program:
    """A start and its changes; all of it is decided by `operations`."""

    start: Term
    changes: tuple[Change, ...]

    @property
    def operations(self) -> list[Operation]:
        """Every calculation in the order of the text; the last one's result is the answer."""
        done = [self.start.operation] if self.start.operation else []
        value = self.start.value
        for change in self.changes:
            if change.term.operation:
                done.append(change.term.operation)
            done.append(Operation(value, change.sign, change.term.value))
            value = done[-1].result
        return done

    @property
    def answer(self) -> int:
        return self.operations[-1].result if self.operations else self.start.value


def columns(operation: Operation) -> list[tuple[int, int]]:
    """(carry, digit) of each digit column: units first, for `/` the front first (then carry is the remainder)."""
    if operation.sign == "/":
        return _division(operation)
    left, right = str(operation.left)[::-1], str(operation.right)[::-1]
    carry, done = 0, []
    for place in range(max(len(left), len(right)) if operation.sign != "*" else len(left)):
        above = int(left[place]) if place < len(left) else 0
        below = int(right[place]) if place < len(right) else 0
        if operation.sign == "*":
            value = above * operation.right + carry
        else:
            value = above + below + carry if operation.sign == "+" else above - below - carry
        carry = -(value // 10) if operation.sign == "-" else value // 10
        done.append((carry, value % 10))
    return done


def _division(operation: Operation) -> list[tuple[int, int]]:
    rest, done = 0, []
    for digit in str(operation.left):
        value = rest * 10 + int(digit)
        rest = value % operation.right
        done.append((rest, value // operation.right))
    return done


def worked(operation: Operation) -> str:
    """`15,08=85` for 37+48. Wants a difference not below zero and a one-digit factor or divisor."""
    return ",".join(f"{carry}{digit}" for carry, digit in columns(operation)) + f"={operation.result}"


def full(program: Program) -> str:
    """The thought that copies the question and works out every digit column."""
    start = program.start
    copied = [str(start.first) + (start.sign and f"{start.sign}{start.second}")]
    copied += [change.sign + bracketed(change.term) for change in program.changes]
    lines = [f"={start.value}" if start.operation is None else f"{copied[0]}:{worked(start.operation)}"]
    value = start.value
    for change, text in zip(program.changes, copied[1:], strict=True):
        inner = f":{worked(change.term.operation)}" if change.term.operation else ""
        outer = Operation(value, change.sign, change.term.value)
        lines.append(f"{text}{inner}:{worked(outer)}")
        value = outer.result
    return lettered(copied) + "\n" + lettered(lines)


def terse(program: Program) -> str:
    """The thought with running values only."""
    start, value = program.start, program.start.value
    lines = [str(start.first) + (start.sign and f"{start.sign}{start.second}={value}")]
    for change in program.changes:
        value = Operation(value, change.sign, change.term.value).result
        lines.append(f"{change.sign}{bracketed(change.term)}={value}")
    return lettered(lines)


def bracketed(term: Term) -> str:
    """`29`, `29*3`, `(81-26)`."""
    if not term.sign:
        return str(term.first)
    body = f"{term.first}{term.sign}{term.second}"
    return body if term.sign == "*" else f"({body})"


def lettered(lines: Sequence[str], letters: str = LETTERS) -> str:
    """Lines with their letters in front."""
    return "\n".join(letter + line for letter, line in zip(letters, lines, strict=False))


def draw(rng: random.Random, values: Sequence[int], steps: int, inner: str = "*+-", outer: str = "+-*/") -> Program:
    """A program of exactly `steps` calculations whose numbers come from `values` and FACTORS, none of `values` twice.

    `inner` names the signs that may stand inside a term, `outer` the changes. Results lie in LOWEST..HIGHEST.
    """
    while True:
        program = _attempt(rng, rng.sample(list(values), 2 * steps + 2), steps, inner, outer)
        if program and len(program.operations) == steps:
            return program


def _attempt(rng: random.Random, pool: list[int], steps: int, inner: str, outer: str) -> Program | None:
    start = _term(rng, pool, inner)
    program = Program(start, ()) if start else None
    while program and len(program.operations) < steps:
        change = _change(rng, pool, program.answer, inner, outer)
        program = Program(program.start, (*program.changes, change)) if change else None
    return program


def _change(rng: random.Random, pool: list[int], value: int, inner: str, outer: str) -> Change | None:
    """One fitting change of the running value, or None where the draw does not fit."""
    sign = rng.choices(outer, [SIGN_WEIGHTS[sign] for sign in outer])[0]
    factor = Term(rng.choice(FACTORS) if sign == "*" else 2)
    term = factor if sign in "*/" else _term(rng, pool, inner)
    if term is None or (sign == "/" and value % 2) or not _fits(Operation(value, sign, term.value).result):
        return None
    return Change(sign, term)


def _term(rng: random.Random, pool: list[int], inner: str) -> Term | None:
    first = pool.pop()
    if not inner or rng.random() >= COMPOUND:
        return Term(first)
    sign = rng.choice(inner)
    term = Term(first, sign, rng.choice(FACTORS) if sign == "*" else pool.pop())
    return term if _fits(term.value) else None


def _fits(value: int) -> bool:
    return LOWEST <= value <= HIGHEST
