"""What a thought copies is what stands where it was read."""

from __future__ import annotations

from collections import defaultdict

import pytest

from lapis.data import traces
from lapis.data.synth import questions
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


def test_every_digit_of_a_plan_is_found() -> None:
    """Of full thoughts; the last letter stands for the question's end."""
    for sample in [*of_kind("math/word"), *of_kind("math/arith")]:
        question, thought = sample.turns[0].text, sample.turns[-1].thought or ""
        if ":" not in thought:
            continue
        plan = thought.partition("\na")[0]
        copied = {place for place, source in traces.asked(question, thought) if question[source] == thought[place]}
        wanted = {place for place, char in enumerate(plan) if char.isdigit() and plan[place - 1] != "/"}
        assert wanted <= copied


def test_signs_are_read_from_words_that_tell_them() -> None:
    samples = [one for one in of_kind("math/word") if "\na" in (one.turns[-1].thought or "")]
    told = total = 0
    for sample in samples:
        thought = sample.turns[-1].thought or ""
        plan = thought.partition("\na")[0]
        signs = {place for place, char in enumerate(plan) if char in "+-*/"}
        total += len(signs)
        told += len(signs & {place for place, _ in traces.asked(sample.turns[0].text, thought)})
    assert told > 0.9 * total > 100


@pytest.mark.parametrize("template", ["ordering", "truth"])
def test_letters_of_riddles_come_from_the_question(template: str) -> None:
    samples = of_kind("math/logic", template)
    assert len(samples) > 20
    for sample in samples:
        question, thought = sample.turns[0].text, sample.turns[-1].thought or ""
        pairs = list(traces.riddles(question, thought))
        assert pairs and all(question[source] == thought[place] for place, source in pairs if thought[place].isalpha())


def test_listed_numbers_come_from_their_lines() -> None:
    question, thought = "Tea 12\nMilk 37\nSum of Milk and Tea?", "Milk 37,Tea 12\na37\nb+12\na=37\nb+12:7290,3140=49"
    assert read(list(traces.listed(question, thought)), thought, question) == [(one, one) for one in "3712"]
    within = dict(traces.worked(thought))
    plan = thought.index("a37")
    assert [within[plan + 1], within[plan + 2]] == [5, 6]
