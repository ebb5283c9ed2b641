"""Answers about long documents, found again by reading the document with patterns of the tests' own."""

from __future__ import annotations

import re

import pytest

from lapis.data.synth import needles
from lapis.data.synth.long_facts import MAKERS, generate
from lapis.data.synth.problem import bytes_of
from lapis.types import InputError, Sample
from lapis.verify import check

PROSE = [f"Paragraph {number} says that the weather stays as it was, and nobody minds." for number in range(400)]
PROSE += [f"第{number}段说天气没有什么变化,大家都照常出门。" for number in range(400)]
LEADS = re.compile(r"^(?:The (.+) leads to the (.+)\.|(.+)通向(.+)。)$", re.M)
CODES = re.compile(r"^(?:The code of the (.+) is (\d+)\.|(.+)的密码是(\d+)。)$", re.M)
OPENED = re.compile(r"^(?:(?:At (\d\d:\d\d) the|The) (.+) was opened\.|(?:(\d\d:\d\d),)?(.+)被打开了。)$", re.M)


def found(pattern: re.Pattern[str], text: str) -> list[tuple[str, ...]]:
    """The groups of each match that took part."""
    return [tuple(part for part in match.groups() if part is not None) for match in pattern.finditer(text)]


def named(question: str, names: list[str]) -> list[str]:
    """The names that a question holds, in its order."""
    return sorted((name for name in names if name in question), key=question.index)


def again(sample: Sample) -> str:
    """The answer, read from the document alone."""
    body, _, question = sample.turns[0].text.rpartition("\n")
    if sample.kind == "long/hop":
        links, codes = dict(found(LEADS, body)), dict(found(CODES, body))
        place = named(question, list(links))[0]
        for _ in range(int(re.findall(r"\d+", question)[0])):
            place = links[place]
        return codes[place]
    events = found(OPENED, body)
    if sample.kind == "long/count":
        name = named(question, [event[-1] for event in events])[0]
        return str(sum(event[-1] == name for event in events))
    asked = named(question, [event[-1] for event in events])
    if sample.meta["template"] == "order/time":
        return min((time, name) for time, name in events if name in asked)[1]
    return next(name for (name,) in events if name in asked)


@pytest.mark.parametrize("split", ["train", "held"])
@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_answer_is_found_again(kind: str, split: str) -> None:
    langs, templates = set(), set()
    for sample in generate(kind, 60, 0, 2500, PROSE, split):
        assert again(sample) == sample.meta["answer"] == sample.turns[1].text
        assert check(sample.meta, sample.turns[1].text).score == 1.0
        assert 1900 <= sum(bytes_of(turn.text) for turn in sample.turns) <= 2500
        assert sample.kind == kind and needles.language(sample.turns[0].text) == sample.lang
        langs.add(sample.lang)
        templates.add(sample.meta["template"])
    assert langs == {"en", "zh"} and len(templates) == {"long/hop": 2, "long/order": 2, "long/count": 1}[kind]


def test_facts_lie_anywhere_up_to_32k() -> None:
    documents = [f"{text} " * 3 for text in PROSE]
    prose = {text.strip() for text in documents}
    places: list[float] = []
    for sample in (sample for kind in MAKERS for sample in generate(kind, 2, 1, 32768, documents)):
        assert 32000 <= sum(bytes_of(turn.text) for turn in sample.turns) <= 32768
        assert again(sample) == sample.meta["answer"]
        lines = sample.turns[0].text.split("\n")[:-1]
        places += [at / len(lines) for at, line in enumerate(lines) if line not in prose]
    assert min(places) < 0.1 and max(places) > 0.9


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_splits_name_other_places(kind: str) -> None:
    last = {"en": needles.PLACES["en"][-needles.HELD_PLACES :], "zh": needles.PLACES["zh"][-needles.HELD_PLACES :]}
    names = {
        lang: [
            f"{colour} {place}" if lang == "en" else f"{colour}色{place}"
            for colour in needles.COLOURS[lang]
            for place in last[lang]
        ]
        for lang in ("en", "zh")
    }
    for split in ("train", "held"):
        for sample in generate(kind, 30, 2, 1500, PROSE, split):
            told = [line for line in sample.turns[0].text.split("\n") if line not in PROSE]
            held = [any(name in line for name in names[sample.lang]) for line in told]
            assert all(held) if split == "held" else not any(held)


def test_repeatable_and_named_errors() -> None:
    first, second = ([one.fingerprint for one in generate("long/hop", 4, 3, 1500, PROSE)] for _ in range(2))
    assert first == second
    with pytest.raises(InputError, match=r"long/order: no paragraph of at most 20 tokens"):
        next(generate("long/order", 1, 0, 40, PROSE[:1]))
    with pytest.raises(InputError, match=r"long/hop: 200 tokens are too few for \d+ facts"):
        list(generate("long/hop", 9, 0, 200, PROSE))


def test_the_prose_around_facts_names_none_of_their_places() -> None:
    prose = [
        *PROSE,
        *(f"The {colour} {place} was opened." for colour in needles.COLOURS["en"] for place in needles.PLACES["en"]),
    ]
    for sample in generate("long/count", 20, 5, 6000, prose):
        assert again(sample) == sample.meta["answer"]
