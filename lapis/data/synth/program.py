"""A worked calculation: what every generated question is inside, whatever its words and its language.

A `Program` is a start value and a chain of changes to it (`+`, `-`, `*` by a small number, `/` by two); a change may
bring a small term of its own (`3*24`, `(81-26)`).

Thoughts are written in one notation for all kinds of questions and both languages (ours). Full detail first copies
the numbers and what happens to them from the question, one lettered line each, and then works line by line:

    a37                        what the question says, in its order
    b+48
    c-29
    d*3
    a=37
    b+48:7851,3480=85          7+8 is 15: digit 5, carry 1;  3+4+1 is 8: digit 8, carry 0
    c-29:5961,8250=56          5-9 leaves 6 and borrows 1;   8-2-1 leaves 5
    d*3:6381,5361=168          6*3 is 18: digit 8, carry 1;  5*3+1 is 16

Each digit column is its two digits, then digit and carry of what they give with the carry before them; units come
first. So a digit stands behind the two that it follows from and the carry before them, and a carry behind all it
follows from. `/2` goes from the front; its columns are the remainder before a digit, the digit, the quotient's digit
and the new remainder (`168/2:0101,1680,0840=84`). A term of its own is worked out before it is used
(`c+3*24:4321,2370=72:5270,8751=157`). In full detail reading and working are kept apart, and the letters lead from one
to the other, so that each token follows from few others: a copied line from the line before it and its place in the
question, a worked line from its letter, and a digit from two digits and a carry. That is what a small decoder can learn
from few samples. Terse detail, for small budgets, has no plan: each line is worked out as it is read, by the same
columns (`a37`, `b+48:7851,3480=85`). It is four fifths as long; what is shorter than that was not learned beside it
(columns without commas and results, or digits and carries alone; LOG.md).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

LOWEST, HIGHEST = 10, 99
"""Range of every intermediate result and answer of a chain, so that no digit count is new in held-out questions."""
HELD_RANGES = ((16, 18), (23, 25), (34, 36), (47, 49), (52, 54), (61, 63), (75, 77), (83, 85), (96, 98))
"""First and last of each range of numbers that training never shows."""
HELD_VALUES: tuple[int, ...] = tuple(value for low, high in HELD_RANGES for value in range(low, high + 1))
"""Two-digit numbers that stand in held-out questions and in no training question."""
TRAIN_VALUES: tuple[int, ...] = tuple(number for number in range(10, 100) if number not in HELD_VALUES)
"""Two-digit numbers that may stand in training questions."""
LETTERS = "abcdefgh"
"""Names of the lines of a thought."""
FACTORS: tuple[int, ...] = (2, 3)
"""Multipliers and counts, in training and held-out questions alike."""
SIGN_WEIGHTS = {"+": 5, "-": 5, "*": 2, "/": 1}
"""How often each change is drawn."""
COMPOUND = 0.15
"""Share of terms that are a small calculation of their own."""
NARROW = 0.5
"""Share of programs whose numbers share few leading digits, so that copying one must be exact."""
DECADES = 3
"""Leading digits of a narrow program."""


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
    """A number, or a small calculation that stands in its place; with `*` the factor is `second`, but written first."""

    first: int
    sign: str = ""
    second: int = 0

    @property
    def operation(self) -> Operation | None:
        return Operation(self.first, self.sign, self.second) if self.sign else None

    @property
    def value(self) -> int:
        return self.operation.result if self.operation else self.first

    def __str__(self) -> str:
        """`29`, `3*29`, `81-26`."""
        if self.sign == "*":
            return f"{self.second}*{self.first}"
        return f"{self.first}{self.sign}{self.second}" if self.sign else str(self.first)


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


def columns(operation: Operation) -> list[tuple[int, int, int, int]]:
    """(upper digit, lower digit, digit, carry) of each column, units first; the factor is every lower digit.

    For `/` the front comes first: (remainder before, digit, quotient's digit, remainder after).
    """
    if operation.sign == "/":
        return _division(operation)
    left, right = str(operation.left)[::-1], str(operation.right)[::-1]
    if operation.sign == "*":
        right *= len(left)
    carry, done = 0, []
    for above, below in zip_longest(map(int, left), map(int, right), fillvalue=0):
        value = {"+": above + below, "-": above - below, "*": above * below}[operation.sign]
        value += -carry if operation.sign == "-" else carry
        carry = abs(value // 10)
        done.append((above, below, value % 10, carry))
    return done


def _division(operation: Operation) -> list[tuple[int, int, int, int]]:
    rest, done = 0, []
    for digit in map(int, str(operation.left)):
        value = rest * 10 + digit
        done.append((rest, digit, value // operation.right, value % operation.right))
        rest = value % operation.right
    return done


def worked(operation: Operation) -> str:
    """`7851,3480=85` for 37+48. Wants a difference not below zero and a one-digit factor or divisor."""
    shown = [f"{above}{below}{digit}{carry}" for above, below, digit, carry in columns(operation)]
    return ",".join(shown) + f"={operation.result}"


def copied(program: Program) -> list[str]:
    """What the question says, a line for the start and for each change, without letters."""
    return [str(program.start), *(change.sign + bracketed(change.term) for change in program.changes)]


def full(program: Program) -> str:
    """The thought that copies the question and works out every digit column."""
    start, value = program.start, program.start.value
    lines = [f"{start}:{worked(start.operation)}" if start.operation else f"={value}"]
    for change, text in zip(program.changes, copied(program)[1:], strict=True):
        inner = f":{worked(change.term.operation)}" if change.term.operation else ""
        outer = Operation(value, change.sign, change.term.value)
        lines.append(f"{text}{inner}:{worked(outer)}")
        value = outer.result
    return lettered(copied(program)) + "\n" + lettered(lines)


def terse(program: Program) -> str:
    """The thought that works each change out as it is read, and has no plan."""
    start, value = program.start, program.start.value
    lines = [f"{start}:{worked(start.operation)}" if start.operation else str(start)]
    for change in program.changes:
        inner = f":{worked(change.term.operation)}" if change.term.operation else ""
        outer = Operation(value, change.sign, change.term.value)
        lines.append(f"{change.sign}{bracketed(change.term)}{inner}:{worked(outer)}")
        value = outer.result
    return lettered(lines)


def bracketed(term: Term) -> str:
    """`29`, `3*29`, `(81-26)`."""
    return f"({term})" if term.sign in ("+", "-") else str(term)


def lettered(lines: Sequence[str], letters: str = LETTERS) -> str:
    """Lines with their letters in front."""
    return "\n".join(letter + line for letter, line in zip(letters[: len(lines)], lines, strict=True))


def draw(rng: random.Random, values: Sequence[int], steps: int, start: str = "", inner: str = "*+-") -> Program:
    """A program of exactly `steps` calculations whose numbers come from `values` and FACTORS, none of `values` twice.

    `start` names the signs that may stand inside the first term (none where it is read as a formula, in which a first
    term of its own and a first change look the same), `inner` those inside the others. No `*` or `/` follows another.
    Results lie in LOWEST..HIGHEST.
    """
    while True:
        program = _attempt(rng, _pool(rng, values), steps, start, inner)
        if program and len(program.operations) == steps:
            return program


def _pool(rng: random.Random, values: Sequence[int]) -> list[int]:
    """The values in a drawn order: all of them, or those of a few leading digits."""
    leads = rng.sample(range(1, 10), DECADES if rng.random() < NARROW else 9)
    return [value for value in rng.sample(list(values), len(values)) if value // 10 in leads]


def _attempt(rng: random.Random, pool: list[int], steps: int, start: str, inner: str) -> Program | None:
    first = _term(rng, pool, 0, "+", start)
    program = Program(first, ()) if first else None
    while program and len(program.operations) < steps:
        scaled = bool(program.changes) and program.changes[-1].sign in "*/"
        change = _change(rng, pool, program.answer, inner, "+-" if scaled else "+-*/")
        program = Program(program.start, (*program.changes, change)) if change else None
    return program


def _change(rng: random.Random, pool: list[int], value: int, inner: str, outer: str) -> Change | None:
    """One fitting change of the running value, or None where nothing fits the drawn sign."""
    sign = rng.choices(outer, [SIGN_WEIGHTS[sign] for sign in outer])[0]
    if sign in "+-":
        term = _term(rng, pool, value, sign, inner)
    else:
        factor = rng.choice(FACTORS) if sign == "*" else 2
        exact = sign == "*" or value % 2 == 0
        term = Term(factor) if exact and _fits(Operation(value, sign, factor).result) else None
    return Change(sign, term) if term else None


def _term(rng: random.Random, pool: list[int], value: int, sign: str, inner: str) -> Term | None:
    """A term that `value` can take, its numbers taken out of the pool; compound in a share of the draws."""
    terms = [Term(number) for number in pool]
    if inner and len(pool) > 1 and rng.random() < COMPOUND:
        kind = rng.choice(inner)
        seconds = FACTORS if kind == "*" else pool[1:]
        terms = [Term(pool[0], kind, second) for second in rng.sample(seconds, len(seconds))]
    fitting = (term for term in terms if _fits(term.value) and _fits(Operation(value, sign, term.value).result))
    term = next(fitting, None)
    for number in (term.first, term.second) if term else ():
        if number in pool:
            pool.remove(number)
    return term


def _fits(value: int) -> bool:
    return LOWEST <= value <= HIGHEST
