"""Questions over several screens, answered again from the words of the screens."""

from __future__ import annotations

import re

import pytest

from lapis.data.synth.long_screens import GROUP, conversations
from lapis.data.tokenise import example
from lapis.types import Sample
from lapis.verify import check
from tests import tiny
from tests.data import world


def shops(count: int, split: str = "train") -> list[world.Screen]:
    return list(world.shops(count, 0, split))


def again(sample: Sample, question: str) -> str:
    """The answer, read from the words of each picture alone."""
    said = [[word[0] for word in cell["words"]] for cell in sample.cells]
    quoted = re.findall(r'"([^"]+)"|“([^”]+)”', question)
    texts = [one or other for one, other in quoted]
    if len(texts) == 2:
        first, second = (int(number) - 1 for number in re.findall(r"(?:screen |屏幕)(\d)", question))
        pairs = zip(texts, (first, second), strict=True)
        return str(sum(int(said[at][said[at].index(text) + 1]) for text, at in pairs))
    there = [number for number, words in enumerate(said, 1) if texts[0] in words]
    return str(there[0] if "which" in question or "哪一个" in question else len(there))


@pytest.mark.parametrize("split", ["train", "held"])
def test_every_answer_is_found_again(split: str) -> None:
    templates, sizes = set(), set()
    for sample in conversations(shops(300), 0, split, lambda image: 1, 8, 60):
        assert len(sample.images) == len(sample.cells) == sample.meta["screens"]
        turns = sample.turns
        questions = [turns[0].text.split("\n")[-1], *(turn.text for turn in turns[2::2])]
        for question, answer in zip(questions, turns[1::2], strict=True):
            assert again(sample, question) == answer.text, question
        assert check(sample.meta, turns[1].text).score == 1.0
        assert len(turns) == 2 or split == "train"
        templates.add(sample.meta["template"])
        sizes.add(len(sample.images))
    assert templates == {"screens/which", "screens/count", "screens/sum"} and sizes == {*GROUP}


def test_tiles_and_counts_are_kept() -> None:
    made = list(conversations(shops(60), 1, "train", lambda image: 2, 5, 7))
    assert len(made) == 7 and {len(one.images) for one in made} == {2}
    sources = [one.source for one in made]
    assert len(sources) == len(set(sources))
    assert not list(conversations(shops(9), 1, "train", lambda image: 6, 5, 7))


def test_screens_stand_between_their_headings_and_become_tokens() -> None:
    sample = next(conversations(shops(9), 2, "train", lambda image: 1, 8, 1))
    parts = sample.turns[0].parts
    assert [getattr(part, "text", "picture").strip()[:8] for part in parts[:4]] == [
        "Screen 1",
        "picture",
        "Screen 2",
        "picture",
    ]
    made = example(sample, tiny.tiny_tokenizer(), world.MODEL)
    assert len(made.tiles) == len(sample.images) and not made.looks.size


def test_repeatable() -> None:
    first, second = (
        [one.fingerprint for one in conversations(shops(40), 3, "train", lambda _: 1, 8, 9)] for _ in range(2)
    )
    assert first == second and first
