"""The harness: how it asks, what it counts as right, how the blind baseline swaps images."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lapis.data.evenly import spread
from lapis.eval.harness import Ask, kept, measure, request_of, share, summary, swap_images
from lapis.types import Completion, Request
from tests.eval.scripted import Scripted, Silent, ground, picture, question


def test_the_mode_comes_from_the_ask_and_never_from_the_sample() -> None:
    sample = question("2 + 2?", "4")
    thinking, direct = (request_of(sample, Ask("math", mode), 192) for mode in ("think", "direct"))
    assert thinking.think and not direct.think
    assert thinking.max_tokens == 192 and direct.max_tokens < 192
    assert [turn.role for turn in thinking.turns] == ["user"]
    budgeted = request_of(sample, Ask("math", "think", budget=16), 192)
    assert budgeted.budget == 16 and budgeted.show_budget
    assert not request_of(sample, Ask("math", "think", budget=16, told=False), 192).show_budget
    assert thinking.budget == -1 and not thinking.show_budget


def test_records_and_summary() -> None:
    names = ("even", "odd")
    samples = [question(f"{number}?", str(number), template=names[number % 2]) for number in range(20)]
    progress = Silent()
    odd_wrong = Scripted(lambda ask: (str(int(ask.turns[0].text[:-1]) // 2 * 2), "one two three"))
    records = measure(odd_wrong, samples, Ask("math", "think"), 64, progress, ("template", "lang"))
    found = summary(records)
    assert found["value"] == 0.5 and found["n"] == 20 and progress.steps == 20
    assert found["thought_tokens"] == 3 and found["overflow"] == 0
    assert found["groups"]["template"]["even"]["value"] == 1 and found["groups"]["template"]["odd"]["value"] == 0
    assert "lang" not in found["groups"]
    assert records[3]["expected"] == "3" and records[3]["answer"] == "2" and records[3]["thought"] == "one two three"


def test_an_unclosed_thought_is_wrong() -> None:
    class Open(Scripted):
        def _one(self, request: Request) -> Completion:
            return dataclasses.replace(super()._one(request), closed=False)

    records = measure(Open(lambda ask: ("4", "a b")), [question("2+2?", "4")], Ask("m", "think"), 64, Silent())
    assert records[0]["score"] == 0 and not kept(records[0], 10)


def test_kept_wants_the_budget_and_an_answer() -> None:
    record = {"thought_tokens": 8, "closed": True, "answer": "4"}
    assert kept(record, 8) and not kept(record, 7) and not kept(record | {"answer": " \n"}, 8)


def test_spread_reaches_both_ends_of_a_set() -> None:
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread([1, 2], 5) == [1, 2] and spread([], 3) == []


@given(some.lists(some.integers(0, 5), min_size=1, max_size=14))
def test_no_sample_keeps_its_own_screen(screens: list[int]) -> None:
    samples = [ground("x", (0, 0, 9, 9), PICTURES[screen]) for screen in screens]
    swapped = swap_images(samples)
    if 2 * max(Counter(screens).values()) > len(screens):
        assert swapped is None
        return
    assert swapped is not None
    assert all(new.images[0].data != old.images[0].data for new, old in zip(swapped, samples, strict=True))
    assert Counter(new.images[0].data for new in swapped) == Counter(old.images[0].data for old in samples)
    assert [new.turns[0].text for new in swapped] == [old.turns[0].text for old in samples]
    assert swap_images(samples) == swapped


PICTURES = [picture(colour, 4, 4) for colour in range(6)]


def test_share_of_a_test_of_ones_own() -> None:
    found = share([{"score": 1}, {"score": 0}], lambda record: True)
    assert found["value"] == 1 and found["n"] == 2


def test_grounding_records_carry_box_and_point() -> None:
    samples = [ground("Send", (400, 400, 200, 200), PICTURES[0]), ground("Back", (0, 0, 50, 50), PICTURES[1])]
    records = measure(Scripted(lambda ask: ("(500,500)", "")), samples, Ask("g", "direct"), 64, Silent())
    assert [record["score"] for record in records] == [1, 0]
    assert records[0]["point"] == (500, 500) and records[1]["box"] == [0, 0, 50, 50]
    lost = measure(Scripted(lambda ask: ("left", "")), samples, Ask("g", "direct"), 64, Silent())
    assert lost[0]["point"] is None and lost[0]["score"] == 0


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (Ask("math", "think"), "math/think"),
        (Ask("g", "direct", True), "g/direct/blind"),
        (Ask("m", "think", budget=8), "m/think@8"),
        (Ask("m", "think", budget=8, told=False), "m/think@8-cut"),
    ],
)
def test_names(ask: Ask, name: str) -> None:
    assert ask.name == name


def test_an_action_that_points_is_recorded_with_its_place() -> None:
    meta = {"verifier": "action", "action": {"action": "click", "boxes": [[0, 0, 500, 500]]}, "box": [0, 0, 500, 500]}
    sample = question("Tap it", "", picture(1), "screen/act", **meta)
    said = '{"action":"click","coordinate":[600,100]}'
    (record,) = measure(Scripted(lambda ask: (said, "")), [sample], Ask("act_seen", "direct"), 64, Silent())
    assert record["score"] == 0 and record["point"] == (600, 100) and record["box"] == [0, 0, 500, 500]
