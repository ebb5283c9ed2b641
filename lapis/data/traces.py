"""What each character of a worked thought was read from: the question, or the thought itself.

A thought of synth/program.py copies nearly all it says: numbers and signs from the question, a line of work from its
line of the plan, each column's digits from the result before and from the line, a result from its columns. Only carries
and digits are worked out. Whoever trains a reader can therefore tell it where to look (looks.py).

Every pair is (place of a character in the thought, place of a character that it was read from). A sign is read from the
words that tell it, a plan's next letter from the next number, and the letter that ends a plan from the question's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from lapis.data.synth import logic
from lapis.data.synth.words import TELLING

Pair = tuple[int, int]
Span = tuple[int, int]
LINE = re.compile(r"^([A-Za-z])(?=[-+*/(\d=])([^\n:=]*)(.*)$", re.M)
"""Letter, what was read, and the work on it."""
NUMBER = re.compile(r"([-+*/]?)(\(?)(\d+)")
COLUMN = re.compile(r"\d{4}")
ORDER = re.compile(r"^([A-Z])[<>]([A-Z])", re.M)
MARK = re.compile(r"(?:^|:)([A-Z])([-+])(?=$|[,=])", re.M)
"""A person's letter and the mark that the question puts on it."""
ITEM = re.compile(r"[^\s,](?:[^\n,]*\s)?(\d+)(?=,|$)")


def asked(question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) for numbers that are copied in the question's order, and their signs."""
    numbers = [found.span() for found in re.finditer(r"\d+", question)]
    before, seen = 0, set[str]()
    for line in LINE.finditer(thought):
        if line[1] in seen:
            yield line.start(), len(question) - 1
            return
        seen.add(line[1])
        for found in NUMBER.finditer(thought, line.start(2), line.end(2)):
            follows = numbers[0] if numbers else (len(question), len(question))
            same = question[slice(*follows)] == found[3]
            start, stop = follows if same else (follows[0], before)
            end = numbers[same][0] if len(numbers) > same else len(question)
            told = _telling(question, found[1], before, start, end) if same or found[1] == "/" else []
            yield from ((found.start(1), place) for place in told)
            if found.start() == line.start(2):
                yield from ((line.start(), place) for place in ([start] if same else told))
            if same:
                yield from zip(range(*found.span(3)), range(start, stop), strict=True)
                numbers, before = numbers[1:], stop


def _telling(question: str, sign: str, before: int, start: int, end: int) -> list[int]:
    """Places of the words that tell a sign: before its number, or else behind it."""
    words = TELLING.get(sign, ())
    return _places(question, words, before, start) or _places(question, words, before, end)


def _places(text: str, words: Sequence[str], first: int, last: int) -> list[int]:
    """Places of words in a part of the text, large and small letters alike."""
    found = (range(*one.span()) for word in words for one in re.finditer(re.escape(word), text[first:last], re.I))
    return sorted({first + place for span in found for place in span})


def riddles(question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) for the letters of people, in the order told, and for their marks."""
    before = 0
    for line in ORDER.finditer(thought):
        places = [_alone(question, name, before) for name in line.groups()]
        if -1 in places:
            return
        before = max(places) + 1
        yield from zip((line.start(1), line.start(2)), places, strict=True)
    for mark in MARK.finditer(thought):
        first = _alone(question, mark[1], before)
        if first < 0:
            return
        yield mark.start(1), first
        end = next((place for place in range(first + 1, len(question)) if question[place] in ".。?"), len(question))
        words = logic.TELLING[mark[2]]
        yield from ((mark.start(2), place) for place in _places(question, words, before, end))
        before = end


def _alone(text: str, letter: str, first: int) -> int:
    """Where a letter stands by itself from a place on; -1 where it does not."""
    found = re.compile(f"(?<![A-Za-z]){letter}(?![A-Za-z])").search(text, first)
    return found.start() if found else -1


def listed(question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) for the numbers of items that a first line lists, `Tea 12,Milk 37`."""
    for item in _items(thought):
        source = question.find(item[0])
        if source >= 0:
            shift = source - item.start()
            yield from ((place, place + shift) for place in range(*item.span(1)))


def ordered(thought: str) -> Iterator[Pair]:
    """Pairs within a thought for an order's last line: each name from the line that says who follows."""
    lines = list(ORDER.finditer(thought))
    if len(lines) < 2:
        return
    follows = {line[1]: line.start(2) for line in lines[:-1]}
    chain = range(lines[-1].start(), len(thought), 2)
    yield chain[0], lines[0].start(1)
    for name, place in zip(chain, chain[1:], strict=False):
        yield place, follows[thought[name]]


def _items(thought: str) -> Iterator[re.Match[str]]:
    """What a first line lists, where it is no line of a plan."""
    return iter(()) if LINE.match(thought) else ITEM.finditer(thought.partition("\n")[0])


def mentioned(thought: str, numbers: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(place of a digit, its number) where each of some numbers is named first: there a picture was read."""
    for number in numbers:
        found = re.search(rf"(?<!\d){number}(?!\d)", thought)
        yield from ((place, number) for place in range(*found.span() if found else (0, 0)))


@dataclass(slots=True)
class _Done:
    """What lines before have said: the plan's lines by letter, the items' numbers, the result so far."""

    plan: dict[str, Span] = field(default_factory=dict)
    items: dict[str, Span] = field(default_factory=dict)
    result: Sequence[int] = ()


def worked(thought: str) -> Iterator[Pair]:
    """Pairs within a thought: what lines of work copy from the plan, from each other and from themselves."""
    done = _Done(items={item[1]: item.span(1) for item in _items(thought)})
    for line in LINE.finditer(thought):
        planned = done.plan.get(line[1])
        if planned is None:
            done.plan[line[1]] = (line.start(), line.end(2))
            yield from _chosen(line, done)
        elif line[3].startswith("="):
            done.result = range(line.start(3) + 1, line.end())
            yield from zip((line.start(), *done.result), range(*planned), strict=False)
            continue
        else:
            yield from zip(range(line.start(), line.end(2)), range(*planned), strict=False)
        if ":" in line[3] or planned is not None:
            yield from _line(line, done)


def _chosen(line: re.Match[str], done: _Done) -> Iterator[Pair]:
    """A plan's numbers, from the items listed before it."""
    for number in NUMBER.finditer(line.string, line.start(2), line.end(2)):
        if number[3] in done.items:
            yield from zip(range(*number.span(3)), range(*done.items[number[3]]), strict=True)


def _line(line: re.Match[str], done: _Done) -> Iterator[Pair]:
    """One line of work; `done.result` becomes its result."""
    numbers = list(NUMBER.finditer(line.string, line.start(2), line.end(2)))
    operands = [range(*number.span(3)) for number in numbers]
    parts = list(re.finditer(r":([^:]*)", line.string[: line.end()][line.start(3) :]))
    right: Sequence[int] = operands[-1] if operands else ()
    left, sign = done.result, numbers[0][1] if numbers else ""
    if len(operands) == 2 and parts:
        inner = numbers[1][1]
        first, second = sorted(operands, key=len, reverse=True) if inner == "*" else operands
        yield from _part(parts[0], line.start(3), inner, first, second)
        right, parts = _result(parts[0], line.start(3)), parts[1:]
        left = left if sign else right
    done.result = right if not parts else _result(parts[0], line.start(3))
    if parts:
        yield from _part(parts[0], line.start(3), sign, left, right)


def _result(part: re.Match[str], shift: int) -> range:
    """Places of the number at a part's end."""
    return range(shift + part.start() + part[0].rindex("=") + 1, shift + part.end())


def _part(part: re.Match[str], shift: int, sign: str, left: Sequence[int], right: Sequence[int]) -> Iterator[Pair]:
    """One calculation: operands' digits in its columns, and columns' digits in its result."""
    columns = [
        range(shift + part.start() + at.start(), shift + part.start() + at.end()) for at in COLUMN.finditer(part[0])
    ]
    result = _result(part, shift)
    if sign == "/":
        yield from ((column[0], before[3]) for column, before in zip(columns[1:], columns, strict=False))
        yield from ((column[1], digit) for column, digit in zip(columns, left, strict=False))
        yield from ((place, column[2]) for place, column in zip(result[::-1], columns[::-1], strict=False))
        return
    lower = [right[0]] * len(left) if sign == "*" and right else right[::-1]
    for column, above, below in zip_longest(columns, left[::-1], lower):
        if column is not None:
            yield from (
                (place, source) for place, source in ((column[0], above), (column[1], below)) if source is not None
            )
    carried = [columns[-1][3]] if columns else []
    yield from zip(result[::-1], [*(column[2] for column in columns), *carried], strict=False)
