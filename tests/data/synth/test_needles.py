"""Long documents hold their fact once, at any depth, within their length."""

from __future__ import annotations

import pytest

from lapis.data.synth.needles import FACTS, FACTS_OF, HELD_PLACES, PLACES, generate, language
from lapis.data.synth.problem import bytes_of
from lapis.types import InputError
from lapis.verify import check

PROSE = [f"Paragraph {number} says that the weather stays as it was." for number in range(40)]
PROSE += [f"第{number}段说天气没有什么变化，大家都照常出门。" for number in range(40)]


def test_needles_are_hidden_once_and_found() -> None:
    depths = []
    for sample in generate(80, 0, 900, PROSE):
        text, code = sample.turns[0].text, sample.meta["answer"]
        assert text.count(code) == 1 and sample.turns[1].text == code
        assert 680 <= sum(bytes_of(turn.text) for turn in sample.turns) <= 900
        assert language(text) == sample.lang and not sample.think
        assert check(sample.meta, code).score == 1.0
        depths.append(sample.meta["depth"])
    assert min(depths) < 0.1 and max(depths) > 0.9


def test_splits_name_other_places() -> None:
    for split, places in (("train", slice(0, -HELD_PLACES)), ("held", slice(-HELD_PLACES, None))):
        for sample in generate(30, 1, 600, PROSE, split):
            question = sample.turns[0].text.split("\n")[-1]
            assert any(place in question for place in PLACES[sample.lang][places])


@pytest.mark.parametrize("split", ["train", "held"])
def test_other_facts_are_about_other_places(split: str) -> None:
    marks = {lang: fact.partition("{code}")[0].rpartition("}")[2] for lang, fact in FACTS.items()}
    counts = []
    for sample in generate(60, 2, 900, PROSE, split):
        body, _, question = sample.turns[0].text.rpartition("\n")
        told = body.count(marks["en"]) + body.count(marks["zh"])
        assert told == sample.meta["facts"]
        named = question.removeprefix("What is the code of the ").removesuffix("?").removesuffix("的密码是多少")
        assert body.count(named) == 1
        counts.append(told)
    assert {*counts} == {*FACTS_OF[split]} and min(map(counts.count, FACTS_OF[split])) > 8


def test_training_asks_for_every_fact_of_a_document() -> None:
    for sample in generate(30, 4, 900, PROSE):
        body, answers = sample.turns[0].text, [turn.text for turn in sample.turns[1::2]]
        assert len({*answers}) == sample.meta["facts"] and all(body.count(answer) == 1 for answer in answers)
    assert {len(sample.turns) for sample in generate(30, 4, 900, PROSE, "held")} == {2}


def test_repeatable_and_named_errors() -> None:
    first = [sample.fingerprint for sample in generate(5, 3, 600, PROSE)]
    assert first == [sample.fingerprint for sample in generate(5, 3, 600, PROSE)]
    with pytest.raises(InputError, match="needles"):
        next(generate(1, 0, 600, []))
    with pytest.raises(InputError, match="needles"):
        next(generate(1, 0, 40, ["a long paragraph " * 10]))
