"""Checkable instructions, in both languages: a text made to keep one passes, the same text spoilt fails."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis import verify
from lapis.constraints import KINDS, check, count_sentences, count_words, holds, occurrences, told
from lapis.data.sets import following
from lapis.types import InputError
from tests.keeping import FILLERS, keeping

Made = dict[str, Any]


def drawn(name: str, lang: str, seed: int) -> Made:
    return {"id": name, "lang": lang, **following.MAKERS[name](random.Random(seed), lang)}


def more(text: str, one: Made, times: int) -> str:
    lang = "zh" if count_words(text, "zh") > 3 and one["lang"] == "zh" else "en"
    return text + ("" if lang == "zh" else " ") + ("" if lang == "zh" else " ").join([FILLERS[lang][0]] * times)


SPOILT: dict[str, Callable[[str, Made], str]] = {
    "words/least": lambda text, one: text[:4],
    "words/most": lambda text, one: more(text, one, one["most"]),
    "words/between": lambda text, one: more(text, one, one["most"]),
    "sentences": lambda text, one: text + " " + text,
    "paragraphs": lambda text, one: text + "\n\n" + text,
    "include": lambda text, one: re.sub(one["words"][0], "", text, flags=re.I),
    "exclude": lambda text, one: f"{text} {one['words'][-1].upper()}",
    "frequency": lambda text, one: re.sub(one["word"], "", text, count=1, flags=re.I),
    "json": lambda text, one: f"Here it is: {text}",
    "language": lambda text, one: "这是中文的回答" if one["of"] == "en" else "This is English",
    "bullets": lambda text, one: text + "\n- one too many",
    "title": lambda text, one: text.replace("<<", "<").replace(">>", ">"),
    "slots": lambda text, one: text.replace("[", "(", 1),
    "quoted": lambda text, one: text[:-1],
    "start": lambda text, one: "Well. " + text,
    "end": lambda text, one: text + " And so on",
    "postscript": lambda text, one: text.replace(one["text"], "NB"),
    "lowercase": lambda text, one: text.replace(text[0], text[0].upper(), 1) + "A",
    "uppercase": lambda text, one: text + "a",
    "no_comma": lambda text, one: text + ("," if one["lang"] == "zh" else ","),
}


def test_every_kind_can_be_drawn_kept_and_spoilt() -> None:
    assert SPOILT.keys() == KINDS.keys() == following.MAKERS.keys() == {x for group in following.GROUPS for x in group}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", KINDS)
def test_kept_passes_and_spoilt_fails(name: str, lang: str) -> None:
    for seed in range(12):
        one = drawn(name, lang, seed)
        text = keeping([one], random.Random(seed))
        assert holds(one, text), (one, text)
        assert not holds(one, SPOILT[name](text, one)), (one, SPOILT[name](text, one))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["en", "zh"]), st.integers(1, 4))
def test_whatever_is_drawn_together_can_be_kept_together(seed: int, lang: str, count: int) -> None:
    together = following.draw(random.Random(seed), lang, count)
    assert 1 <= len(together) <= count
    text = keeping(together, random.Random(seed))
    assert check(together, text).score == 1, (together, text, check(together, text).reason)
    for one in together:
        spoilt = SPOILT[one["id"]](text, one)
        assert check(together, spoilt).score == 0, (one, spoilt)


@settings(max_examples=150, deadline=None)
@given(
    st.text('aZ é,,.。!?…"“”<>[]-*{}:`\n\t中光0٣ßİ', max_size=200),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["en", "zh"]),
    st.integers(0, 50),
)
def test_no_text_breaks_a_check(text: str, name: str, lang: str, seed: int) -> None:
    assert holds(drawn(name, lang, seed), text) in (True, False)


def test_instructions_say_what_is_checked_in_their_own_language() -> None:
    made = list(following.generate(200, 0, 3))
    assert made == list(following.generate(200, 0, 3)) and made != list(following.generate(200, 1, 3))
    assert [one.lang for one in made[:4]] == ["en", "zh", "en", "zh"]
    assert {one["id"] for sample in made for one in sample.meta["constraints"]} == KINDS.keys()
    for sample in made:
        text = sample.turns[-1].text
        assert all(told(one) in text for one in sample.meta["constraints"]) and "{" not in text
        assert verify.check(sample.meta, keeping(sample.meta["constraints"], random.Random(0))).score == 1
        assert text.isascii() == (sample.lang == "en")


def test_verify_reads_the_whole_answer_and_says_what_was_not_kept() -> None:
    meta = {"verifier": "constraints", "constraints": [
        {"id": "words/least", "lang": "en", "least": 200}, {"id": "lowercase", "lang": "en"}]}  # fmt: skip
    assert verify.check(meta, "many words " * 100 + r"\boxed{x}").score == 1
    assert verify.check(meta, "Too few").reason == "not kept: words/least, lowercase"
    assert verify.check(meta, "many words " * 2000).reason == "longer than 20000 characters"
    assert verify.check(meta, "many words " * 100, closed=False).score == 0 == verify.check(meta, " ").score


@pytest.mark.parametrize(
    "wrong, message",
    [
        ([], "expected a list"),
        ("json", "expected an id"),
        ([{"id": "haiku", "lang": "en"}], "expected an id"),
        ([{"id": "words/least", "lang": "en"}], "words/least lacks least"),
        ([{"id": "json"}], "json lacks lang"),
    ],
)
def test_constraints_that_are_none(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(wrong, "text")


@pytest.mark.parametrize(
    "text, lang, words, sentences",
    [
        ("It is 3.5 km. Isn't it far-off? Yes!", "en", 8, 3),
        ('He said "No." Then he left.', "en", 6, 2),
        ("今天下雨。我带了伞!好吗?", "zh", 10, 3),
        ("我用 Python 写代码。", "zh", 6, 1),
        ("", "en", 0, 0),
    ],
)
def test_counts(text: str, lang: str, words: int, sentences: int) -> None:
    assert (count_words(text, lang), count_sentences(text)) == (words, sentences)


def test_a_word_is_not_found_inside_another_but_in_any_case() -> None:
    assert occurrences("Light, lighter, LIGHT delight", "light") == 2 and occurrences("一路光明光", "光") == 2
    assert not holds({"id": "json", "lang": "en"}, "42")
    assert holds({"id": "json", "lang": "en"}, '```json\n{"a": [1]}\n```') and json.loads("[1]") == [1]
