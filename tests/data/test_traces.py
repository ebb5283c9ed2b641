"""What a thought copies is what stands where it was read."""

from __future__ import annotations

from collections import defaultdict

import pytest

from lapis.data import traces
from lapis.data.synth import program, questions
from lapis.data.synth.words import TELLING
from lapis.types import Sample

SAMPLES = [one for split in ("train", "held") for one in questions.generate(500, 7, split) if one.think]
STORY = (
    "Ann has 64 eggs. She sells 33 eggs. Then the eggs grow to 3 times as many. She loses half of the eggs. How many?"
)
WORK = "a64\nb-33\nc*3\nd/2\na=64\nb-33:4310,6330=31\nc*3:1330,3390=93"


def read(pairs: list[traces.Pair], thought: str, source: str) -> list[tuple[str, str]]:
    """(a character of the thought, what it was read from) in the thought's order."""
    found: dict[int, str] = defaultdict(str)
    for place, at in pairs:
        found[place] += source[at]
    return [(thought[place], text) for place, text in sorted(found.items())]


def test_numbers_and_signs_come_from_the_question() -> None:
    copied = read(list(traces.asked(STORY, WORK)), WORK, STORY)
    assert "".join(one for one, _ in copied) == "a64b-33c*3d/a"
    assert {text for one, text in copied if one == "-"} == {"sells"} and ("*", "times") in copied
    assert ("d", "half") in copied and ("/", "half") in copied
    assert [text for one, text in copied if one == "a"] == ["6", "?"]


def test_work_comes_from_the_plan_and_from_work() -> None:
    pairs = dict(traces.worked(WORK))
    line = WORK.index("b-33:")
    assert [pairs[line + at] for at in range(4)] == [4, 5, 6, 7]
    assert WORK[pairs[line + 5]] == "4" and pairs[line + 5] == WORK.index("=64") + 2
    assert pairs[line + 6] == line + 3 and pairs[line + 10] == line - 3
    assert line + 7 not in pairs and line + 8 not in pairs, "digit and carry are worked out"
    assert pairs[line + 15] == line + 12 and pairs[line + 16] == line + 7


@pytest.mark.parametrize("within", [traces.worked, traces.ordered])
def test_a_copy_equals_its_source_and_stands_behind_it(within: object) -> None:
    found = 0
    for sample in SAMPLES:
        thought = sample.turns[-1].thought or ""
        for place, source in within(thought):  # type: ignore[operator]
            assert thought[place] == thought[source] and source < place
            found += 1
    assert found > 50


def of_kind(kind: str, template: str = "") -> list[Sample]:
    return [one for one in SAMPLES if one.kind == kind and one.meta["template"].startswith(template)]


def full() -> list[tuple[str, str]]:
    """(question, thought) of calculations that are worked out."""
    samples = [*of_kind("math/word"), *of_kind("math/arith")]
    pairs = [(one.turns[0].text, one.turns[-1].thought or "") for one in samples]
    return [(question, thought) for question, thought in pairs if "\na" in thought]


def test_every_digit_of_a_plan_is_found() -> None:
    """But the two of `/2`, which few questions write."""
    for question, thought in full():
        plan = thought.partition("\na")[0]
        copied = {place for place, source in traces.asked(question, thought) if question[source] == thought[place]}
        assert {place for place, char in enumerate(plan) if char.isdigit() and plan[place - 1] != "/"} <= copied


def test_every_operand_of_work_is_found() -> None:
    """All but the zeros before shorter numbers, and a division's first remainder."""
    for _, thought in full():
        sources = dict(traces.worked(thought))
        for column in traces.COLUMN.finditer(thought):
            for place in (column.start(), column.start() + 1):
                assert place in sources or thought[place] == "0", thought


def test_signs_are_read_from_words_that_tell_them_in_their_own_sentence() -> None:
    told = total = 0
    for question, thought in full():
        found: dict[int, list[int]] = defaultdict(list)
        for place, source in traces.asked(question, thought):
            found[place].append(source)
        plan = thought.partition("\na")[0]
        for place in [place for place, char in enumerate(plan) if char in "+-*/"]:
            places = found.get(place, [])
            total += 1
            told += bool(places)
            assert not places or not traces.STOP.search(question[min(places) : max(places)])
            pieces = "".join(question[at] for at in places).lower()
            assert not places or any(word.lower() in pieces for word in TELLING[thought[place]])
    assert told > 0.9 * total > 100


@pytest.mark.parametrize(
    ("question", "thought", "letter"),
    [
        ("We have 40. She loses half. She buys 2 boxes of 30.", "a40\nb/2\nc+2*30", "c"),
        ("We have 40. She sells half of the eggs. She loses 12.", "a40\nb/2\nc-12", "c"),
        ("At the beach are 12 eggs. The eggs grow to 3 times.", "a12\nb*3", "b"),
    ],
)
def test_a_sign_is_told_by_its_own_words(question: str, thought: str, letter: str) -> None:
    copied = read(list(traces.asked(question, thought)), thought, question)
    last = copied[[one for one, _ in copied].index(letter) :]
    assert dict(last)[thought[thought.index(letter) + 1]] in ("buys", "loses", "times")
    assert dict(last)[letter] in "213"


@pytest.mark.parametrize("template", ["ordering", "truth"])
def test_letters_of_riddles_come_from_the_question_sentence_by_sentence(template: str) -> None:
    samples = of_kind("math/logic", template)
    assert len(samples) > 20
    for sample in samples:
        question, thought = sample.turns[0].text, sample.turns[-1].thought or ""
        pairs = list(traces.riddles(question, thought))
        letters = [(place, source) for place, source in pairs if thought[place].isalpha()]
        assert bool(pairs) == ("\n" in thought or template == "truth") and all(
            question[source] == thought[place] for place, source in letters
        )
        lines = [thought[:place].count("\n") for place, _ in letters]
        told = [len(traces.STOP.findall(question[:source])) for _, source in letters]
        assert lines == told or "\n" not in thought, "a line is a sentence"
        marks = {thought[place] for place, _ in pairs} & set("+-")
        assert marks or template == "ordering"


def test_an_order_is_read_name_by_name() -> None:
    """Each name in the order of the question, found by the name before it; then turned, and followed."""
    question = "U is older than D. Next to M, R is older. Next to U, Z is older. Who is the oldest?"
    thought = "U>D:D<U\nM<R:M<R\nU<Z:U<Z\nD<U<Z"
    pairs = list(traces.riddles(question, thought))
    assert [thought[place] for place, _ in pairs] == [*"UDMRUZ"]
    assert [source for _, source in pairs] == sorted(source for _, source in pairs)
    assert [question[last] for (_, last), _ in traces.clues(question, thought)] == [*"UDMRU"]
    assert [thought[last] for _, (_, last) in traces.clues(question, thought)] == [*"UDMRU"]
    within = dict(traces.ordered(thought))
    assert [within[place] for place in (4, 6, 12, 14)] == [2, 0, 8, 10]
    assert [within[place] for place in range(24, 29, 2)] == [4, 6, 22]


def test_each_digit_that_is_worked_out_has_its_sign() -> None:
    """A line's own calculation comes before the one on the result so far."""
    thought = "a37\nc+3*24\na=37\nc+3*24:4321,2370=72:7290,3710=109"
    signs = dict(traces.signs(thought))
    line = thought.rindex("c")
    assert {thought[place]: thought[sign] for place, sign in list(signs.items())[:2]} == {"2": "*", "1": "*"}
    assert len(signs) == 8 and set(signs.values()) == {line + 1, line + 3}
    assert [signs[place] for place in sorted(signs)] == [line + 3] * 4 + [line + 1] * 4
    assert not list(traces.signs("a12:0\nb45:0+1=1")), "a parity has none"


def test_a_terse_line_is_worked_out_from_the_result_before_it() -> None:
    inner = program.Term(81, "-", 26)
    changes = [program.Change(sign, program.Term(number)) for sign, number in (("+", 48), ("*", 2), ("/", 2))]
    thought = program.terse(program.Program(program.Term(37), (*changes, program.Change("-", inner))))
    pairs = list(traces.worked(thought))
    assert all(thought[one] == thought[source] and source < one for one, source in pairs)
    copied = ("7834" + "85", "5282" + "170", "11710" + "85", "1682" + "55" + "5585" + "30")
    assert "".join(one for one, _ in read(pairs, thought, thought)) == "".join(copied)


def test_a_terse_line_has_its_signs_and_ends_with_its_question() -> None:
    thought = "a37\nb+48:7851,3480=85\nc-3*24:4321,2370=72:5231,8701=13"
    assert read(list(traces.signs(thought)), thought, thought) == [
        *zip("518021703101"[:12], "++++****----", strict=True)
    ]
    question = "Ann has 37. She buys 48, then loses 3 times 24?"
    assert list(traces.ended(question, thought)) == [(len(thought), len(question) - 1)]
    assert not list(traces.ended(STORY, WORK)), "one that plans has another end"


def test_names_before_points_come_from_the_question() -> None:
    question, said = "Sum of Iced Tea and Milk?", "Iced Tea (500,120)12,Milk (500,240)37\na12+37:2790,1340=49"
    assert [question[first:last] for _, (first, last) in traces.names(question, said)] == ["Iced Tea", "Milk"]
    pairs = list(traces.named(question, said))
    assert all(said[place] == question[source] for place, source in pairs) and len(pairs) == 12
    clues = list(traces.clues(question, said))
    assert len(clues) == 4 and {question[last] for (_, last), _ in clues} == {"a"} == {said[at] for _, (_, at) in clues}
    assert not list(traces.names("The total?", said)), "names that only the screen tells"


def test_a_truth_is_no_calculation() -> None:
    assert not list(traces.asked("A is honest. A says: B lies.", "A+\nA+:B-=B-"))


def test_a_formula_with_spaces_is_read_like_one_without() -> None:
    thought = "a42\nb/2\nc-17\na=42\nb/2:0420,0210=21\nc-17:1740,2100=4"
    pairs = [
        [(q[place], thought[one]) for one, place in traces.asked(q, thought)] for q in ("42/2-17?", "42 / 2 - 17?")
    ]
    assert pairs[0] == pairs[1] and ("/", "/") in pairs[0] and ("7", "7") in pairs[0]


def test_what_is_read_has_its_line_of_the_plan() -> None:
    question, thought = "Ann has 42 pens. She loses 17. How many?", "a42\nb-17\na=42\nb-17:2750,4120=25"
    found = [(question[place], line) for (_, place), line in traces.numbered("math/word", question, thought)]
    assert {*found} == {("4", 0), ("2", 0), ("1", 1), ("7", 1), *((letter, 1) for letter in "loses"), ("?", 2)}
    assert not list(traces.numbered("math/told", question, thought)), "a list has no order that a plan keeps"


def test_a_line_of_work_goes_on_with_the_next_of_the_plan_and_the_last_with_nothing() -> None:
    thought = "a42\nb-17\na=42\nb-17:2750,4120=25"
    follows = list(traces.goes_on(thought))
    assert [thought[one : one + 2] for one, _ in follows] == ["\nb", ""]
    assert [thought[place : place + 4] for _, place in follows] == ["b-17", "a=42"]
    assert not list(traces.goes_on("a37\nb+48:7851,3480=85")), "a terse thought has no plan"


def test_numbers_of_a_picture_are_those_named_before_any_work() -> None:
    thought = "Tea (034,500)12,Milk (500,037)37\na12\nb+37\na12+37:2790,1340=49"
    places = list(traces.mentioned(thought, ["37", "49", "34", "12"]))
    assert [(thought[place], number) for place, number in places] == [
        ("3", "37"),
        ("7", "37"),
        ("1", "12"),
        ("2", "12"),
    ]


@pytest.mark.parametrize(
    "thought", ["E-mail: Box 12,Tea 3", "e4:foo", "E-mail 12,Milk 37\na12", "", "49", "a12=\na12="]
)
def test_odd_thoughts_are_no_trouble(thought: str) -> None:
    for source in ("", "Iced Tea 12\n49"):
        for copies in (traces.asked, traces.riddles, traces.listed):
            assert len(list(copies(source, thought))) < 9
    assert len(list(traces.worked(thought))) < 9 and not list(traces.ordered(thought))


def test_listed_numbers_come_from_their_lines() -> None:
    question, thought = "Tea 12\nMilk 37\nSum of Milk and Tea?", "Milk 37,Tea 12\na37\nb+12\na=37\nb+12:7290,3140=49"
    assert read(list(traces.listed(question, thought)), thought, question) == [(one, one) for one in "3712"]
    within = dict(traces.worked(thought))
    plan = thought.index("a37")
    assert [within[plan + 1], within[plan + 2]] == [5, 6]


def test_a_hidden_fact_is_read_where_it_stands() -> None:
    question = "The sky is blue.\nThe code of the red bag is 4071.\nWhat is the code of the red bag?"
    pairs = list(traces.hidden(question, "4071"))
    assert [question[place] for _, place in pairs] == [*"4071"] and [one for one, _ in pairs] == [0, 1, 2, 3]
    assert not list(traces.hidden(question + " 4071", "4071")), "twice is not a place"
    assert traces.COPIES["long/needle"] is traces.hidden


@pytest.mark.parametrize(
    "question",
    [
        "Sky.\nThe code of the red bag is 4071.\nMore 12.\nWhat is the code of the red bag?",
        "天。\n红色柜子的密码是4071。\n好。\n红色柜子的密码是多少?",
    ],
)
def test_a_code_and_its_answer_know_their_place(question: str) -> None:
    found = list(traces.places(question, "4071"))
    assert "".join(question[digit] for (digit, _), _ in found) == "4071" and [one for _, (one, _) in found] == [
        0,
        1,
        2,
        3,
    ]
    ends = {(question[last], question[place], last < question.index("4071") < place) for (_, last), (_, place) in found}
    assert ends in ({("g", "g", True)}, {("子", "子", True)})
    assert not list(traces.places(question.replace("\n", " "), "4071")), "only a last line asks"
