"""Words and numbers of the two sides never meet, not even inside a longer word."""

import random
import re

import pytest

from lapis.data.screens.compose import Limits, draft
from lapis.data.screens.words import TOPICS, Words, characters, held_number, pool

TOPICS_OF_NAMES = (*TOPICS, "setting", "given", "surname", "city", "country", "act", "quality")


def everything(lang: str, held: bool) -> set[str]:
    return {word.casefold() for topic in TOPICS_OF_NAMES for word in pool(lang, topic, held)}


@pytest.mark.parametrize(("lang", "least"), [("en", 1500), ("zh", 800)])
def test_training_knows_many_words_and_none_that_is_held_out(lang: str, least: int) -> None:
    trained, held = everything(lang, False), everything(lang, True)
    assert len(trained | set(pool(lang, "ui", False))) >= least
    assert len(held) >= 200
    assert trained & held == set()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_topic_has_words_on_both_sides(lang: str) -> None:
    for topic in TOPICS_OF_NAMES:
        assert len(pool(lang, topic, False)) >= 20
        assert len(pool(lang, topic, True)) >= 2, topic


def shown_words(split: str, count: int) -> set[str]:
    """Words of the texts that pages of a split show."""
    texts = []
    for index in range(count):
        body = re.sub(r"<style>.*?</style>", "", draft(3, split, index).html, flags=re.S)
        texts += re.findall(r">([^<]+)<", body)
    return {word.casefold() for text in texts for word in re.findall(r"[A-Za-z]+|[^\x00-\xff]+", text)}


def test_training_pages_show_no_held_out_word() -> None:
    held = {word for lang in ("en", "zh") for word in everything(lang, True)}
    assert shown_words("train", 400) & held == set()
    assert len(shown_words("seen", 100) & held) > 100


def test_numbers_of_the_sides_are_disjoint_ranges() -> None:
    rng = random.Random(0)
    for held in (False, True):
        drawn = Words(rng, "en", held).numbers(300, 10, 999)
        assert all(held_number(number) == held for number in drawn)
    assert [number for number in range(10, 100) if held_number(number)] == [
        *range(37, 44),
        *range(64, 70),
        *range(86, 93),
    ]


def test_no_content_word_comes_twice_on_a_screen() -> None:
    words = Words(random.Random(1), "en", False)
    drawn = [words.pick("food").casefold() for _ in range(80)]
    assert len(set(drawn)) == 80


@pytest.mark.parametrize(("lang", "held"), [("en", False), ("zh", False), ("en", True), ("zh", True)])
def test_training_makes_up_about_half_of_its_words_and_none_that_is_held_out(lang: str, held: bool) -> None:
    drawn = [Words(random.Random(seed), lang, held).pick("food", "goods").casefold() for seed in range(600)]
    unknown = [word for word in drawn if word not in everything(lang, held)]
    assert not unknown if held else 0.3 < len(unknown) / len(drawn) < 0.6
    assert held or not set(drawn) & everything(lang, True)


def test_few_chinese_characters_write_fewer_words_on_both_sides() -> None:
    assert len(characters("zh", 600)) <= 600 < len(characters("zh"))
    assert characters("en", 600) == characters("en")
    for topic in TOPICS_OF_NAMES:
        few, all_words = pool("zh", topic, False, 600), {*pool("zh", topic, False), *pool("zh", topic, True)}
        assert set(few) <= all_words
        assert len(few) >= 7
        assert pool("zh", topic, True, 600)


def test_screens_with_few_characters_show_no_others() -> None:
    shown = {one for index in range(60) for one in draft(3, "train", index, Limits(han=600)).html if one >= "\u4e00"}
    named = {one for index in range(60) for one in draft(3, "train", index).html if one >= "\u4e00"}
    assert len(shown) < len(named)
