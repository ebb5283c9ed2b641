"""A page is a function of seed, split and number; kinds, languages and sizes are drawn as promised."""

import html
import json
import re
from collections import Counter

from lapis.data.screens.compose import Limits, draft
from lapis.data.screens.kinds import TRAINED, UNSEEN
from lapis.data.screens.style import SIZES


def test_the_same_numbers_give_the_same_page() -> None:
    assert draft(1, "train", 5) == draft(1, "train", 5)
    pages = {draft(*which).html for which in ((1, "train", 5), (1, "train", 6), (2, "train", 5), (1, "seen", 5))}
    assert len(pages) == 4


def test_kinds_of_the_splits() -> None:
    assert len(TRAINED) >= 12
    assert len(UNSEEN) >= 5
    assert not set(TRAINED) & set(UNSEEN)
    for split, kinds in (("train", TRAINED), ("seen", TRAINED), ("unseen", UNSEEN)):
        assert {draft(0, split, index).template for index in range(200)} == set(kinds)


def test_languages_and_sizes_are_drawn_by_their_shares() -> None:
    styles = [draft(0, "train", index).style for index in range(1000)]
    langs = Counter(style.lang for style in styles)
    sizes = Counter((style.width, style.height) for style in styles)
    assert abs(langs["en"] - 500) < 80
    assert all(abs(sizes[size] - 10 * share) < 80 for size, share in SIZES.items())
    assert set(sizes) == set(SIZES)


def test_easy_screens_are_large_and_short() -> None:
    easy = [draft(0, "train", index, Limits(difficulty=0.15)) for index in range(200)]
    mixed = [draft(0, "train", index) for index in range(200)]
    assert max(page.style.difficulty for page in easy) <= 0.15
    sizes = [[page.style.size for page in pages] for pages in (easy, mixed)]
    elements = [sum(page.html.count("data-role") for page in pages) for pages in (easy, mixed)]
    assert sum(sizes[0]) > sum(sizes[1])
    assert elements[0] < 0.8 * elements[1]


def test_no_drawing_has_a_name_that_only_its_maker_knows() -> None:
    pages = [draft(0, split, index).html for split in ("train", "unseen") for index in range(300)]
    assert not [page for page in pages if 'data-role="image"' in page]


def test_fonts_stay_legible() -> None:
    sizes = {draft(0, "train", index).style.size for index in range(500)}
    assert min(sizes) >= 11
    assert max(sizes) <= 18


def test_words_that_may_be_asked_for_are_text_and_numbers_are_values() -> None:
    marked = re.compile(r'data-role="(\w+)"[^>]*data-fact="([^"]+)"')
    pages = [draft(0, split, index).html for split in ("train", "unseen") for index in range(200)]
    facts = [(role, json.loads(html.unescape(fact))) for page in pages for role, fact in marked.findall(page)]
    told = {(role, isinstance(value, int)) for role, (field, _, value, _) in facts if field != "state"}
    assert told == {("text", False), ("value", True)}
