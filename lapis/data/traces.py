"""What each character of a worked thought was read from: the question, or the thought itself.

A thought of synth/program.py copies nearly all it says: numbers and signs from the question, a line of work from its
line of the plan, each column's digits from the result before and from the line, a result from its columns. Only carries
and digits are worked out. Whoever trains a reader can therefore tell it where to look (looks.py).

Every pair is (place of a character in the thought, place of a character that it was read from). A sign is read from the
words that tell it, a plan's next letter from the next number, and the letter that ends a plan from the question's end.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from lapis.data.synth import logic
from lapis.data.synth.words import TELLING

Pair = tuple[int, int]
Span = tuple[int, int]
LINE = re.compile(r"^([A-Za-z])(?=[-+*/]?\(?\d|=\d)([^\n:=]*)(.*)$", re.M)
"""Letter, what was read, and the work on it."""
NUMBER = re.compile(r"([-+*/]?)(\(?)(\d+)")
COLUMN = re.compile(r"\d{4}")
PART = re.compile(r":[^:]*=\d+")
"""A calculation's columns and its result."""
ASKED = re.compile(r"\n(?:What is the code of the )?([^\n]+?)(?:的密码是多少)?\?$")
"""The place that a text's last line asks for."""
ORDER = re.compile(r"^([A-Z])[<>]([A-Z]):([A-Z])[<>]([A-Z])$", re.M)
"""Two names as they are told, and turned towards the one that is asked for."""
MARK = re.compile(r"(?:^|:)([A-Z])([-+])(?=$|[,=])", re.M)
"""A person's letter and the mark that the question puts on it."""
ITEM = re.compile(r"[^\s,][^\n,]*\s(?:\(\d+,\d+\))?(\d+)(?=,|$)")
NAME = re.compile(r"([^\s,(][^\n,(]*) (?=\(\d)")
"""What stands before a point."""
TARGET = re.compile(r'"target":"([^"\n]+)","coordinate":(?=\[\d)')
"""The same in an action (lapis/actions.py)."""
TYPED = re.compile(r'"text":"([^"\n]+)"')
"""What an action types or says."""
STOP = re.compile(r"[.。?!]")
BY = ("/", "/ ", "除以")
"""What stands before a divisor that is written as a number."""


def asked(question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) for numbers that are copied in the question's order, and their signs."""
    reader, seen = _Reader(question), set[str]()
    for line in LINE.finditer(thought):
        if line[1] in seen:
            if reader.before:
                yield line.start(), len(question) - 1
            return
        seen.add(line[1])
        for found in NUMBER.finditer(thought, line.start(2), line.end(2)):
            source, told = reader.next(found[1], found[3])
            yield from ((found.start(1), place) for place in told)
            yield from zip(range(*found.span(3)), source, strict=False)
            if found.start() == line.start(2):
                yield from ((line.start(), place) for place in source[:1] or told)


def ended(question: str, thought: str) -> Iterator[Pair]:
    """The end of a thought that works as it reads, and the question's end, which it has then reached."""
    letters = [line[1] for line in LINE.finditer(thought)]
    if letters and len({*letters}) == len(letters) and any(asked(question, thought)):
        yield len(thought), len(question) - 1


@dataclass(slots=True)
class _Reader:
    """Reads a question's numbers one by one."""

    question: str
    before: int = 0
    """Where the last number, or the last sentence that told a sign without one, ended."""

    def next(self, sign: str, number: str) -> tuple[range, list[int]]:
        """Places of a number, where it is the next one, and of the words that tell its sign."""
        found = re.compile(r"\d+").search(self.question, self.before)
        divides = sign == "/" and not (found and self.question.endswith(BY, 0, found.start()))
        if divides:
            told = self._words(sign, self.before, found.start() if found else len(self.question))
            self.before = self._sentence(told[0])[1] if told else self.before
            return range(0), told
        if not found or found[0] != number:
            return range(0), []
        first, last = self._sentence(found.start())
        told = self._words(sign, max(first, self.before), found.start())
        if not told:
            follows = re.compile(r"\d").search(self.question, found.end(), last)
            told = self._words(sign, found.end(), follows.start() if follows else last)
        self.before = found.end()
        return range(*found.span()), told

    def _sentence(self, place: int) -> Span:
        """First place of the sentence around a place, and the one behind it."""
        starts = [0, *(stop.end() for stop in STOP.finditer(self.question, 0, place))]
        stop = STOP.search(self.question, place)
        return starts[-1], stop.end() if stop else len(self.question)

    def _words(self, sign: str, first: int, last: int) -> list[int]:
        return _places(self.question, TELLING.get(sign, ()), first, last)


def _places(text: str, words: Sequence[str], first: int, last: int) -> list[int]:
    """Places of words in a part of the text, large and small letters alike."""
    starts = [r"(?<![A-Za-z])" + re.escape(word) if word[0].isascii() else re.escape(word) for word in words]
    found = [range(*one.span()) for word in starts for one in re.compile(word, re.I).finditer(text, first, last)]
    return sorted({place for span in found for place in span})


def riddles(question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) for the letters of people, in the order told, and for their marks."""
    before = 0
    for line in (*ORDER.finditer(thought), *MARK.finditer(thought)):
        names = line.groups()[: 2 if line.re is ORDER else 1]
        places = [_alone(question, name, before) for name in names]
        if -1 in places:
            return
        yield from zip((line.start(1), line.start(2)), places, strict=False)
        stop = STOP.search(question, max(places))
        end = stop.end() if stop else len(question)
        if line.re is MARK:
            yield from ((line.start(2), place) for place in _places(question, logic.TELLING[line[2]], before, end))
        before = end


def _alone(text: str, letter: str, first: int) -> int:
    """Where a letter stands by itself from a place on; -1 where it does not."""
    found = re.compile(f"(?<![A-Za-z]){letter}(?![A-Za-z])").search(text, first)
    return found.start() if found else -1


def listed(question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) for the numbers of items that a first line lists, `Tea 12,Milk 37`."""
    for item in _items(thought):
        source = re.search(rf"^{re.escape(item[0])}$", question, re.M)
        shift = source.start() - item.start() if source else 0
        yield from ((place, place + shift) for place in range(*item.span(1)) if source)


def _riddle(question: str, thought: str) -> Iterator[Pair]:
    return chain(asked(question, thought), riddles(question, thought))


def hidden(question: str, answer: str) -> Iterator[Pair]:
    """Pairs (in the answer, in the question) for an answer that stands in the question once, word for word."""
    if question.count(answer) == 1:
        first = question.index(answer)
        yield from zip(range(len(answer)), range(first, first + len(answer)), strict=True)


def places(question: str, answer: str) -> Iterator[tuple[Pair, Pair]]:
    """For a code that is hidden in a text whose end asks for it, (within the question, from answer to question): each
    of its digits, there and in the answer, and the last character of the place that it belongs to, as the fact and as
    the question at the end name it."""
    name = ASKED.search(question)
    if not name:
        return
    for one, digit in hidden(question, answer):
        known = question.rfind(name[1], 0, digit)
        if known >= 0:
            yield (digit, known + len(name[1]) - 1), (one, name.end(1) - 1)


COPIES = {"math/told": listed, "math/logic": _riddle, "long/needle": hidden}
"""How a kind's thought copies its question; the others' like a calculation's."""


def copied(kind: str, question: str, thought: str) -> Iterator[Pair]:
    """Pairs (in the thought, in the question) of a sample of this kind."""
    return COPIES.get(kind, asked)(question, thought)


def numbered(kind: str, question: str, thought: str) -> Iterator[tuple[Pair, int]]:
    """What is copied in the question's order, each with its line of the plan, from 0; the question's end has the next
    number."""
    lines = [line.start() for line in LINE.finditer(thought)]
    for one, place in () if COPIES.get(kind) is listed else asked(question, thought):
        yield (one, place), bisect(lines, one) - 1


def pointing(said: str) -> Iterator[re.Match[str]]:
    """Names that stand before a point, each ending where the point begins."""
    return (TARGET if said.startswith("{") else NAME).finditer(said.partition("\n")[0])


def names(question: str, said: str) -> Iterator[tuple[Span, Span]]:
    """(in what is said, in the question) of each name that stands before a point, and of what an action types, where
    the question has it."""
    if said.startswith("{"):
        for field in chain(TARGET.finditer(said), TYPED.finditer(said)):
            place = question.find(field[1])
            if place >= 0:
                yield field.span(1), (place, place + len(field[1]))
        return
    before = 0
    for name in NAME.finditer(said.partition("\n")[0]):
        place = question.find(name[1], before)
        if place >= 0:
            before = place + len(name[1])
            yield name.span(1), (place, before)


def named(question: str, said: str) -> Iterator[Pair]:
    """Pairs (in what is said, in the question) for the characters of those names."""
    return chain.from_iterable(zip(range(*one), range(*other), strict=True) for one, other in names(question, said))


def clues(question: str, thought: str) -> Iterator[tuple[Pair, Pair]]:
    """For numbers, their signs, an order's names and names that are pointed at, (within the question, within the
    thought): the last character of the number or the name before it, and where that was copied to. Whoever reads in
    order finds the next by the last."""
    spans = [other for _, other in names(question, thought)] or [one.span() for one in re.finditer(r"\d+", question)]
    copy = riddles if ORDER.match(thought) else named if NAME.match(thought) else asked
    found = list(copy(question, thought))
    copies = {source: one for one, source in found if question[source] == thought[one]}
    for one, source in found:
        begin = next((first for first, last in spans if first <= source < last), source)
        before = max((place for place in copies if place < begin), default=-1)
        if copies.get(before, one) < one:
            yield (source, before), (one, copies[before])


def signs(thought: str) -> Iterator[Pair]:
    """Pairs within a thought: each digit and carry that is worked out, and the sign that says how."""
    for line in LINE.finditer(thought):
        numbers = list(NUMBER.finditer(thought, line.start(2), line.end(2)))
        told = [number.start(1) for number in numbers if number[1]][::-1]
        parts = PART.finditer(thought[: line.end()][line.start(3) :])
        for part, sign in zip(parts, told, strict=False):
            for column in COLUMN.finditer(part[0]):
                first = line.start(3) + part.start() + column.start()
                yield from ((first + place, sign) for place in (2, 3))


def ordered(thought: str) -> Iterator[Pair]:
    """Pairs within a thought about an order: names turned from names told, and in the last line each name from the line
    that says who follows."""
    lines = list(ORDER.finditer(thought))
    if not lines:
        return
    for line in lines:
        told = {line[1]: line.start(1), line[2]: line.start(2)}
        yield from ((line.start(at), told[line[at]]) for at in (3, 4))
    follows = {line[3]: line.start(4) for line in lines}
    chain = range(lines[-1].end() + 1, len(thought), 2)
    yield chain[0], lines[0].start(3)
    for name, place in zip(chain, chain[1:], strict=False):
        yield place, follows[thought[name]]


def _items(thought: str) -> Iterator[re.Match[str]]:
    """What a first line lists, where it is no line of a plan."""
    return iter(()) if LINE.match(thought) else ITEM.finditer(thought.partition("\n")[0])


def mentioned(thought: str, numbers: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(place of a digit, its number) where each of some numbers is named before any work: there a picture was read."""
    listed = {item[1]: item for item in [*_items(thought)][::-1]}
    for number in numbers:
        found = re.search(rf"^[^:=\n]*(?<!\d)({number})(?!\d)", thought, re.M) if not listed else listed.get(number)
        yield from ((place, number) for place in range(*found.span(1) if found else (0, 0)))


@dataclass(slots=True)
class _Done:
    """What lines before have said: the plan's lines by letter, the items' numbers, the result so far."""

    plan: dict[str, Span] = field(default_factory=dict)
    items: dict[str, Span] = field(default_factory=dict)
    result: Sequence[int] = ()


def worked(thought: str) -> Iterator[Pair]:
    """Pairs within a thought: what lines of work copy from the plan, from each other and from themselves."""
    done = _Done(items={item[1]: item.span(1) for item in [*_items(thought)][::-1]})
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
        if ":" in line[3] or planned is not None or not line[3]:
            yield from _line(line, done)


def goes_on(thought: str) -> Iterator[Pair]:
    """What follows each line of work (at the last one, the thought's end), and the line of the plan after its own: a
    letter where there is one, else the first line of work."""
    planned = dict[str, int]()
    for line in LINE.finditer(thought):
        if line[1] in planned:
            yield line.end(), planned[line[1]]
        else:
            planned[line[1]] = line.end(2) + 1


def _chosen(line: re.Match[str], done: _Done) -> Iterator[Pair]:
    """A plan's numbers, from the items listed before it."""
    for number in NUMBER.finditer(line.string, line.start(2), line.end(2)):
        if number[3] in done.items:
            yield from zip(range(*number.span(3)), range(*done.items[number[3]]), strict=True)


def _line(line: re.Match[str], done: _Done) -> Iterator[Pair]:
    """One line of work; `done.result` becomes its result."""
    numbers = list(NUMBER.finditer(line.string, line.start(2), line.end(2)))
    operands = [range(*number.span(3)) for number in numbers]
    parts = list(PART.finditer(line.string[: line.end()][line.start(3) :]))
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
