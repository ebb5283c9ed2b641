"""Questions about a screen's numbers, on a stand-in for rendered screens."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import pytest

from lapis.data.synth.screen_frames import ASK, say
from lapis.data.synth.screen_math import MAKERS, listed, questions, told
from lapis.types import Image, Sample, Text
from lapis.verify import check, point_text

MENU = [("Tea", 12, "$"), ("Milk", 37, "$"), ("Bread", 9, "$"), ("Green salad", 104, "$")]


@dataclass(frozen=True)
class Stand:
    """A screen that shows a price list."""

    items: tuple[tuple[str, int, str], ...] = tuple(MENU)
    lang: str = "en"
    split: str = "train"
    template: str = "shop"
    source: str = "test"
    image: Image = Image(b"", 100, 200)
    several: bool = False
    vague: bool = False

    def quantities(self) -> list[tuple[str, int, str]]:
        return list(self.items)

    def quantity(self) -> str:
        return "price"

    def mixed(self) -> bool:
        return self.several

    def clear(self) -> set[str]:
        return set() if self.vague else {name for name, _, _ in self.items}

    def item_boxes(self) -> dict[str, tuple[float, float, float, float]]:
        return {name: (100.0, 100.0 * row, 800.0, 50.0) for row, (name, _, _) in enumerate(self.items)}

    def value_boxes(self) -> dict[str, tuple[float, float, float, float]]:
        return {str(value): (100.0, 100.0 * row, 200.0, 50.0) for row, (_, value, _) in enumerate(self.items)}


def many(screen: Stand, rounds: int = 200) -> list[Sample]:
    return [sample for seed in range(rounds) for sample in questions(screen, random.Random(seed), most=len(MAKERS))]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("split", ["train", "seen", "unseen"])
def test_answers_are_right(lang: str, split: str) -> None:
    values = {name: value for name, value, _ in MENU}
    ordered = sorted(values.values())
    for sample in many(Stand(lang=lang, split=split), 60):
        text, answer, template = sample.turns[0].text, sample.meta["answer"], sample.meta["template"]
        named = [value for name, value in values.items() if name in text]
        few = 2 if "two" in text or "两" in text else 3
        right = {
            "screen/read": named[0] if named else 0,
            "screen/sum2": sum(named),
            "screen/sum3": sum(named),
            "screen/more": max(named, default=0) - min(named, default=0),
            "screen/all": sum(ordered),
            "screen/min": "Bread",
            "screen/max": "Green salad",
            "screen/lowest": sum(ordered[:few]),
            "screen/highest": sum(ordered[-few:]),
        }[template]
        assert answer == str(right), (text, sample.turns[1].thought)
        assert check(sample.meta, sample.turns[1].text).score == 1.0
        assert sample.meta["values"].keys() == {str(value) for value in ordered}


def test_every_kind_is_asked_in_both_modes_with_the_picture_first() -> None:
    made = many(Stand())
    assert len({sample.meta["template"] for sample in made}) == 9
    assert {sample.think for sample in made} == {True, False}
    assert all(sample.kind == "screen/math" and len(sample.turns[0].images) == 1 for sample in made)
    assert all(isinstance(sample.turns[0].parts[0], Image) for sample in made)


def test_thoughts_point_and_read_then_work() -> None:
    names = {box: name for name, box in Stand().item_boxes().items()}
    for sample in many(Stand()):
        if sample.think and sample.budget is None:
            first, *rest = (sample.turns[1].thought or "").split("\n")
            listed = re.findall(r"([^,(]+) (\(\d{3},\d{3}\))(\d+)(?:,|$)", first)
            assert ",".join(f"{name} {point}{value}" for name, point, value in listed) == first
            assert all({name: value for name, value, _ in MENU}[name] == int(value) for name, _, value in listed)
            assert [name for name, _, _ in listed] == [names[tuple(box)] for box in sample.meta["boxes"]]
            assert [point for _, point, _ in listed] == [point_text(box) for box in sample.meta["boxes"]]
            assert bool(rest) == (sample.meta["template"] != "screen/read")


def _filled(sentences: set[str]) -> list[str]:
    return [one.format(a="Tea", b="Milk", c="Cocoa", k="two") for one in sentences]


def test_held_out_screens_are_asked_in_new_sentences() -> None:
    for lang in ("en", "zh"):
        train = {template for group in ASK[lang, "train"].values() for template in group}
        held = {template for group in ASK[lang, "held"].values() for template in group}
        assert not train & held
        ways = {say(lang, "train", "price", "two", random.Random(number), a="Tea", b="Milk") for number in range(400)}
        assert len(ways) > 60 and not any(one in way for one in _filled(held) for way in ways)
    assert all(sample.think and sample.budget is None for sample in many(Stand(split="seen"), 20))


def test_beside_numbers_of_another_kind_each_item_is_named() -> None:
    several = Stand(several=True)
    assert {sample.meta["template"] for sample in many(several)} == {
        "screen/read", "screen/sum2", "screen/sum3", "screen/more",
    }  # fmt: skip
    assert listed(several, random.Random(0)) == []
    vague = Stand(several=True, vague=True)
    assert many(vague) == [], "which of the digits beside a name are its number?"
    assert told(vague, random.Random(0)), "told as text there is one"


def test_odd_screens() -> None:
    assert questions(Stand(items=()), random.Random(0)) == []
    assert questions(Stand(items=(("Tea", 12, "$"),)), random.Random(0)) == []
    equal = Stand(items=(("Tea", 12, "$"), ("Milk", 12, "$")))
    templates = {sample.meta["template"] for sample in many(equal, 50)}
    assert templates == {"screen/read", "screen/sum2", "screen/all"}
    huge = Stand(items=(("Tea", 900, "$"), ("Milk", 901, "$")))
    assert all(int(sample.meta["answer"]) <= 999 for sample in many(huge, 50) if sample.meta["verifier"] == "number")
    long = Stand(items=tuple((f"Item {name}", number, "") for number, name in enumerate("abcdefghijklm", 10)))
    assert {sample.meta["template"] for sample in many(long, 50)} == {
        "screen/read", "screen/sum2", "screen/sum3", "screen/more",
    }  # fmt: skip


def test_numbers_told_as_text_are_asked_without_a_picture() -> None:
    found = told(Stand(), random.Random(0))
    assert len({one.meta["template"] for one in found}) == len(found) == 3
    for made in found:
        listing = made.turns[0].parts[0]
        assert isinstance(listing, Text) and listing.text.splitlines() == [f"{name} {value}" for name, value, _ in MENU]
        assert made.kind == "math/told" and not made.images and "boxes" not in made.meta
    assert told(Stand(items=()), random.Random(0)) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_list_names_every_number_with_its_place(lang: str) -> None:
    (made,) = listed(Stand(lang=lang), random.Random(0))
    boxes = Stand().item_boxes()
    said = [f"{name} {point_text(boxes[name])}{value}" for name, value, _ in MENU]
    assert made.turns[1].text == ",".join(said) and made.images and made.kind == "screen/list"
    assert made.meta["boxes"] == tuple(boxes.values()) and set(made.meta["values"]) == {"12", "37", "9", "104"}
    assert listed(Stand(items=()), random.Random(0)) == []
    many_items = tuple((f"Item {letter}", 10 + number, "$") for number, letter in enumerate("ABCDEFGHJ"))
    assert len(listed(Stand(items=many_items[:8]), random.Random(0))[0].meta["boxes"]) == 8
    assert listed(Stand(items=many_items), random.Random(0)) == [], "a list that is cut short is not all of them"
