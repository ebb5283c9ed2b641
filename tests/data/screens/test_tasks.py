"""Questions about a screen made by hand, checked by the verifiers that evaluation uses."""

import random
import re
from typing import Any

import pytest

from lapis.data.screens import phrases
from lapis.data.screens.page import Box, Element, Legible, Screen
from lapis.data.screens.tasks import MOST_PAIRS, place, samples, single
from lapis.types import Image
from lapis.verify import check

PICTURE = Image(b"picture", 200, 100)


def element(role: str, name: str, box: Box, unique: bool = True, **data: Any) -> Element:
    return Element(role, name, name, box, (), unique, {"held_word": False, **data})


def price(item: str, amount: int, y: float) -> Element:
    return element("value", f"${amount}", (150, y, 20, 10), field="price", item=item, value=amount, unit="$")


def shop(**changes: Any) -> Screen:
    elements = (
        element("heading", "Shop", (10, 0, 40, 10)),
        element("item", "Tea", (0, 20, 180, 12)),
        price("Tea", 12, 21),
        element("item", "Milk", (0, 40, 180, 12)),
        price("Milk", 7, 41),
        element("item", "Rice", (0, 60, 180, 12), held_word=True),
        price("Rice", 30, 61),
        element("button", "Add", (10, 80, 30, 10), unique=False, of="Tea"),
        element("button", "Add", (60, 80, 30, 10), unique=False, of="Milk"),
    )
    lines = tuple((entry.name, *entry.box) for entry in elements)
    fields = {"image": PICTURE, "elements": elements, "template": "shop", "lang": "en", "device": "phone", "seed": 4}
    return Screen(**{**fields, "split": "seen", "lines": lines, "words": lines, **changes})


def asked(screen: Screen, kind: str, count: int = 300) -> list[Any]:
    rng = random.Random(0)
    found = [single(screen, rng, kind) for _ in range(count)]
    return [sample for sample in found if sample is not None]


@pytest.mark.parametrize("kind", ["ground", "ocr", "qa"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_answer_passes_its_own_check(kind: str, lang: str) -> None:
    for sample in asked(shop(lang=lang), kind):
        assert check(sample.meta, sample.turns[-1].text).score == 1
        assert not check(sample.meta, "(999,999)").score
        assert {"answer", "verifier", "box", "template", "held_word", "role"} <= set(sample.meta)


def test_places_are_three_digits_in_thousandths() -> None:
    assert place(shop(), (0, 20, 180, 12)) == "(450,260)"
    assert place(shop(), (199, 99, 3, 3)) == "(999,999)"
    assert place(shop(), (0, 0, 0, 0)) == "(000,000)"


def test_a_name_that_comes_twice_is_asked_for_by_what_it_belongs_to() -> None:
    questions = {sample.turns[0].text: sample.turns[1].text for sample in asked(shop(), "ground")}
    adds = {question: answer for question, answer in questions.items() if "button" in question}
    assert adds
    assert all("Tea" in question or "Milk" in question for question in adds)
    assert {answer for question, answer in adds.items() if "Milk" in question} == {"Milk (375,850)"}
    assert all('"Add"' in question for question in adds), "an avatar or another button may belong to Tea as well"


def test_an_item_is_asked_for_by_its_number_only_where_all_can_be_seen() -> None:
    def numbered(screen: Screen) -> set[tuple[str, str]]:
        found = {(sample.turns[0].text, sample.turns[1].text) for sample in asked(screen, "ground")}
        return {pair for pair in found if re.search("item [0-9]|last item", pair[0])}

    assert ("Where is list item 2?", "Milk (450,460)") in numbered(shop())
    assert numbered(shop(partial=frozenset({"item"}))) == set()


def test_counts_only_what_is_wholly_visible() -> None:
    counts = {s.turns[1].text for s in asked(shop(), "qa") if "How many items" in s.turns[0].text}
    assert counts == {"3"}
    hidden = asked(shop(partial=frozenset({"item"})), "qa")
    assert not [s for s in hidden if "How many items" in s.turns[0].text]


def test_held_out_words_are_marked() -> None:
    rice = [sample for sample in asked(shop(), "ground") if "Rice" in sample.turns[0].text]
    tea = [sample for sample in asked(shop(), "ground") if "Tea" in sample.turns[0].text]
    assert all(sample.meta["held_word"] for sample in rice)
    assert not any(sample.meta["held_word"] for sample in tea)


def test_what_is_named_or_entered_out_of_sight_is_not_asked_for() -> None:
    city = element("input", "City", (0, 90, 40, 8), field="entry", item="City", value="Oslo", unit="")
    radar = element("switch", "", (50, 90, 40, 8), False, field="state", item="Radar", value="on", unit="")
    elements = (*shop().elements, city, radar)
    shown = [(one.name, *one.box) for one in elements if one.name] + [("Oslo", 9, 90, 9, 9), ("Radar", 60, 90, 9, 9)]

    def about(word: str, hidden: str) -> bool:
        lines = tuple(line for line in shown if line[0] != hidden)
        found = asked(shop(elements=elements, lines=lines), "qa")
        return any(
            word in one.turns[0].text for one in found if one.turns[1].text not in ("yes", "no") or word == "Radar"
        )

    for word, hidden in (("Tea", "Tea"), ("City", "City"), ("City", "Oslo"), ("Radar", "Radar")):
        assert about(word, "") and not about(word, hidden), hidden
    assert shop(lines=shop().lines[2:]).quantities() == [], "a number without its name leaves every sum open"


def test_a_screen_shows_words_and_no_names_of_drawings() -> None:
    like = Element("icon", "Like", "", (10, 10, 9, 9), (), True, {"held_word": False})
    screen = shop(elements=(like, element("button", "Save", (50, 50, 9, 9))), lines=(("Save", 50, 50, 9, 9),))
    said = {sample.turns[0].text: sample.turns[1].text for sample in asked(screen, "qa")}
    assert "yes" in {answer for question, answer in said.items() if "Save" in question}
    assert not [question for question in said if "Like" in question]


def test_what_is_missing_is_not_there_in_another_spelling_either() -> None:
    screen = shop(lines=(("Check out", 0, 0, 9, 9),), behind=("Half a line",))
    assert screen.missing(["Checkout", "check  out", "Tea", "half", "Save"]) == ["Save"]


def test_lists_leave_nothing_out_that_can_be_read_in_part() -> None:
    def lists(**changes: Any) -> list[str]:
        (made,) = samples(shop(**changes), random.Random(0), ("ocr",))
        asked = [turn.text for turn in made.turns if turn.role == "user"]
        return [text for text in asked if text in phrases.LIST["en"] or text in phrases.LIST_OVER["en"]]

    assert lists()[0] in phrases.LIST["en"]
    assert lists(torn=(("Half", 0, 90, 20, 10),)) == [] and lists(over="among") == []
    assert lists(over="alone", torn=(("Half", 0, 90, 20, 10),))[0] in phrases.LIST_OVER["en"]


def test_a_name_is_read_as_a_line_over_lines_or_as_whole_words() -> None:
    read = Legible(["Scarlet", "banana", "Team A", "今天的天气"])
    assert all(name in read for name in ("scarlet banana", "Team A", "Team", "天气", "Banana"))
    assert not any(name in read for name in ("Tea", "Scar", "Scarlet bananas", ""))


def test_texts_are_listed_in_reading_order() -> None:
    made = samples(shop(), random.Random(0), kinds=("ocr",))[0]
    listing = max((turn.text for turn in made.turns), key=len).splitlines()
    assert listing[:3] == ["Shop (150,050)", "Tea (450,260)", "$12 (800,260)"]
    assert listing[-2:] == ["Add (125,850)", "Add (375,850)"]


def test_a_conversation_holds_the_picture_once() -> None:
    *made, told = samples(shop(), random.Random(0))
    assert [sample.kind for sample in made] == ["screen/ocr", "screen/ground", "screen/describe", "screen/qa"]
    assert told.kind == "screen/told" and not told.images and not told.cells
    for sample in made:
        assert sample.images == (PICTURE,)
        assert 4 <= len(sample.turns) <= 2 * MOST_PAIRS[sample.kind.removeprefix("screen/")]
        assert sample.licence == "Apache-2.0"
        assert sample.source == "lapis:screens/shop/4-seen-0"
        assert len(sample.cells) == 1


def test_a_told_screen_lists_what_its_answers_say() -> None:
    told = samples(shop(), random.Random(0), ("told",))[0]
    listing, first = told.turns[0].parts
    lines = listing.text.splitlines()
    assert len(lines) == len(set(lines)) >= 2
    assert all(re.fullmatch(r".+ \([0-9]{3},[0-9]{3}\)", line) for line in lines)
    asked = [first.text, *(turn.text for turn in told.turns[2::2])]
    for question, answer in zip(asked, (turn.text for turn in told.turns[1::2]), strict=True):
        by_place = next((line for line in lines if line.split(" (")[1] in question), None)
        wanted = answer if by_place is None else by_place.rpartition(" (")[0]
        assert answer == wanted and any(answer in line for line in lines)


def test_a_screen_without_elements_asks_nothing_to_be_found() -> None:
    bare = shop(elements=(), lines=(), words=())
    assert single(bare, random.Random(0), "ground") is None
    assert {sample.kind for sample in samples(bare, random.Random(0))} == {"screen/describe", "screen/qa"}


def test_quantities_are_the_largest_group_of_numbers_with_clear_names() -> None:
    assert shop().quantities() == [("Tea", 12, "$"), ("Milk", 7, "$"), ("Rice", 30, "$")]
    twice = shop(elements=(price("Tea", 1, 0), price("Tea", 2, 10), price("Milk", 3, 20)))
    assert twice.quantities() == []
    left = element("value", "4", (180, 21, 10, 10), field="stock", item="Tea", value=4, unit="")
    assert shop(elements=(*shop().elements, left)).quantities() == [], "which number of tea?"
    assert shop(elements=(*shop().elements, left)).mixed() and not shop().mixed()


def test_what_has_digits_beside_the_quantities_leaves_open_which_are_numbers() -> None:
    assert not shop(lines=(*shop().lines, ("Fresh", 0, 90, 20, 10))).mixed()
    for text in ("$49", "4", "32 %", "23:05", "9月4日", "A4"):
        line = (text, 0, 90, 20, 10)
        assert shop(lines=(*shop().lines, line)).mixed(), text
        assert shop(torn=(line,)).mixed(), text
    twice = shop(elements=(*shop().elements, price("Bread", 4, 70), price("Bread", 5, 80)))
    assert twice.mixed(), "what has two numbers is in no list of them"


@pytest.mark.parametrize(("unit", "percent"), [("%", True), ("bpm", False), ("", False)])
def test_percents_are_asked_for_only_where_the_unit_says_so(unit: str, percent: bool) -> None:
    pulse = element("value", "72", (150, 21, 20, 10), field="level", item="Tea", value=72, unit=unit)
    screen = shop(elements=(element("text", "Tea", (0, 20, 30, 12)), pulse))
    asked_for = {sample.turns[0].text for sample in asked(screen, "qa")}
    assert "What is the value of Tea?" in asked_for and ("At what percent is Tea?" in asked_for) == percent


def test_an_item_has_one_number_where_no_other_digits_stand_beside_it() -> None:
    elements = (element("text", "Tea", (0, 0, 30, 5)), price("Tea", 7, 1), element("text", "Rye", (0, 50, 30, 5)))
    screen = shop(elements=(*elements, price("Rye", 9, 55)))
    lines = tuple((one.name, *one.box) for one in screen.elements)
    for top, clear in ((0, {"Rye"}), (12, {"Rye"}), (30, {"Tea", "Rye"}), (51, {"Tea"}), (90, {"Tea", "Rye"})):
        assert shop(elements=screen.elements, lines=(*lines, ("23:05", 100, top, 20, 5))).clear() == clear, top


def test_a_number_entered_for_something_with_a_price_leaves_its_number_open() -> None:
    count = element("input", "Tea", (100, 21, 20, 10), False, field="entry", item="Tea", value="2", unit="")
    screen = shop(elements=(*shop().elements, count), lines=(*shop().lines, ("2", 100, 21, 20, 10)))
    assert screen.quantities() == []
    said = {sample.turns[1].text for sample in asked(screen, "qa") if "Tea" in sample.turns[0].text}
    assert "12" in said and "2" not in said, "a price is asked for as such, the value of tea is not"


def test_each_number_that_is_shown_once_has_its_box() -> None:
    boxes = shop().value_boxes()
    assert boxes.keys() == {"12", "7", "30"}
    assert boxes["7"] == shop().thousandths(price("Milk", 7, 41).box)
    assert shop().item_boxes()["Milk"] == shop().thousandths((0, 40, 180, 12))
    twins = (*shop().elements, price("Rye", 7, 90))
    assert "7" not in shop(elements=twins).value_boxes()


def test_a_number_is_looked_at_where_its_digits_stand() -> None:
    """Not at its unit, nor at the empty part of a wide element."""
    word = ("$12.", 150.0, 21.0, 8.0, 10.0)
    wide = Element("value", "$12.", "$12.", (100, 21, 90, 10), (word,), True, price("Tea", 12, 21).data)
    shown = shop(elements=(wide, price("Milk", 7, 41)), words=(word,), letters=((152.0, 154.0, 156.0, 158.0),))
    assert shown.quantity() == "price"
    assert shown.value_boxes()["12"] == shown.thousandths((152, 21, 4, 10))
    assert shop(elements=shown.elements, words=(word,)).value_boxes()["12"] == shown.thousandths(word[1:])


def test_answers_point_at_where_the_name_is_written() -> None:
    """At the words that spell it, in one line or several; at the middle of what has no such words."""
    words = (("Amber", 12.0, 22.0, 20.0, 10.0), ("Keller", 34.0, 22.0, 26.0, 10.0), ("$12", 150.0, 22.0, 20.0, 10.0))
    row = Element("item", "Amber Keller", "Amber Keller $12", (0, 20, 180, 14), words, True, {"held_word": False})
    assert row.spot == (12.0, 22.0, 48.0, 10.0)
    assert Element("icon", "Save", "", (0, 0, 20, 20), (), True).spot == (0, 0, 20, 20)
    moved = tuple((text, x, y + 50, w, h) for text, x, y, w, h in words)
    assert Element("item", "Amber Keller", "", row.box, moved, True).spot == row.box, "outside: no place to point at"
    made = asked(shop(elements=(row,)), "ground", 5)[0]
    assert (
        made.meta["answer"] == f"Amber Keller {place(shop(), row.spot)}" and check(made.meta, made.meta["answer"]).score
    )
    assert made.meta["boxes"] == [list(shop().thousandths(row.spot))]
    assert made.meta["box"] == list(shop().thousandths(row.box))
