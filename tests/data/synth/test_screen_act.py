"""Goals on screens: every answer is right by the check, says what it points at, and looks where it must have looked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lapis import actions, chat
from lapis.data import tokenise
from lapis.data.looks import FROM_QUESTION, NAME
from lapis.data.screens.page import Element, Screen
from lapis.data.synth import screen_goals
from lapis.data.synth.screen_act import MAKERS, _absent, _back, _scroll, conversation, single
from lapis.types import Sample
from lapis.verify import check
from tests.data import world


def element(role: str, name: str, top: float, unique: bool = True, **data: Any) -> Element:
    words = ((name, 4.0, top, 20.0, 10.0),) if name else ()
    return Element(role, name, name, (2.0, top, 40.0, 12.0), words, unique, {"held_word": False, **data})


def screen(split: str = "train", index: int = 0, lang: str = "en") -> Screen:
    state = {"field": "state", "item": "Radar", "value": "on", "unit": "", "of": "Radar"}
    count = {"field": "count", "unit": ""}
    elements = (
        element("button", "Save", 2),
        element("input", "Harbour", 16),
        element("switch", "", 16, False, **state),
        element("item", "Lamp", 30, item="Lamp", value=7, **count),
        element("item", "Fish", 42, item="Fish", value=12, **count),
        element("icon", "", 30, False),
    )
    words = tuple(word for one in elements for word in one.words)
    image = world.picture(random.Random(index))
    shown = {"image": image, "elements": elements, "template": "shop", "lang": lang, "device": "phone", "seed": 4}
    return Screen(**shown, split=split, index=index, words=words, lines=words, letters=tuple(() for _ in words))


def goals(lang: str, count: int = 300) -> Iterator[Sample]:
    made = (single(screen("seen", lang=lang), random.Random(seed)) for seed in range(count))
    return (sample for sample in made if sample is not None)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_held_out_answer_passes_its_own_check_and_no_other_does(lang: str) -> None:
    found = set()
    for sample in goals(lang):
        said = sample.turns[-1].text
        found.add(actions.parse(said).name)
        assert check(sample.meta, said).score == 1
        others = ("nothing", '{"action":"click","coordinate":[990,990]}', actions.write(actions.Wait(seconds=60)))
        assert not any(check(sample.meta, other).score for other in others)
        assert sample.turns[0].parts[-1].text.endswith("Next action as JSON:")
    family = {*actions.KINDS} - {"double_click", "long_press", "drag", "take_notes"}
    assert family <= found


def test_pointing_answers_name_what_they_point_at_and_hit_its_box() -> None:
    for sample in goals("en"):
        action = actions.parse(sample.turns[-1].text)
        if isinstance(action, actions.Click):
            x, y, w, h = sample.meta["box"]
            assert x <= action.coordinate[0] <= x + w and y <= action.coordinate[1] <= y + h
            assert action.target.casefold() in sample.turns[0].text.casefold()


def test_what_is_on_already_ends_and_what_is_off_is_tapped() -> None:
    """The switch of the screen is on."""
    frames = {want: screen_goals.GOALS[want]["en", "held"] for want in ("on", "off")}
    found: dict[str, set[str]] = {"on": set(), "off": set()}
    for sample in goals("en"):
        said = sample.turns[0].text.casefold()
        for want, sentences in frames.items():
            if any(f": {frame}".format(name="Radar").casefold() in f": {said}" for frame in sentences):
                found[want].add(actions.parse(sample.turns[-1].text).name)
    assert found == {"on": {"terminate"}, "off": {"click"}}


def test_training_never_says_a_held_out_sentence() -> None:
    for what, frames in screen_goals.GOALS.items():
        for lang in ("en", "zh"):
            train, held = frames[lang, "train"], frames[lang, "held"]
            assert not {*train} & {*held}, what
            openings = screen_goals.OPENINGS[lang, "train"]
            said = {opening + frame for opening in openings for frame in train}
            assert not said & {opening + frame for opening in screen_goals.OPENINGS[lang, "held"] for frame in held}


def test_equal_seeds_give_equal_goals_and_all_kinds_are_drawn() -> None:
    one, other = (conversation(screen(), random.Random(7))[0] for _ in range(2))
    assert one == other and 2 <= len(one.turns) <= 8 and one.images == (screen().image,)
    kinds = {
        actions.parse(turn.text).name
        for seed in range(200)
        for turn in conversation(screen(), random.Random(seed))[0].turns[1::2]
    }
    assert kinds == {*actions.KINDS} and len(MAKERS) == 11


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    texts = [turn.text for seed in range(40) for turn in conversation(screen(), random.Random(seed))[0].turns]
    return tokenise.train_tokenizer(texts, 400, tmp_path_factory.mktemp("words"), world.MODEL.tokens_per_tile)


def test_coordinates_are_looked_up_where_they_point_by_the_token_before_them(tokenizer: chat.Tokenizer) -> None:
    """One token before each coordinate's digits looks at the cells of its box, and says its middle."""
    seen = 0
    for seed in range(60):
        sample = conversation(screen(), random.Random(seed))[0]
        made = tokenise.example(sample, tokenizer, world.MODEL)
        points = {(look[0], look[2], look[3]) for look in made.looks.tolist() if look[2] >= 0}
        written = []
        for token, x, y in sorted(points):
            text = tokenizer.decode(made.ids[token : token + 9].tolist())
            assert text.lstrip(' ":').startswith((f"[{x},{y}]", f"({x:03},{y:03})"))
            written.append([x, y])
        boxes = [box for box in sample.meta["boxes"] if box]
        assert written == [[int(x + w / 2), int(y + h / 2)] for x, y, w, h in boxes]
        seen += len(boxes)
    assert seen > 60


def test_names_and_typed_words_are_copied_from_the_goal(tokenizer: chat.Tokenizer) -> None:
    """Every token of a target looks at its place in the goal, and at the picture where it is written there."""
    sample = next(
        made
        for seed in range(99)
        for made in conversation(screen(), random.Random(seed))
        if not made.think and actions.parse(made.turns[-1].text).name == "type"
    )
    sample = replace(
        sample, turns=(sample.turns[-2], sample.turns[-1]), meta={**sample.meta, "boxes": sample.meta["boxes"][-1:]}
    )
    sample = replace(
        sample, turns=(replace(sample.turns[0], parts=(screen().image, *sample.turns[0].parts)), sample.turns[1])
    )
    made = tokenise.example(sample, tokenizer, world.MODEL)
    action = actions.parse(sample.turns[-1].text)
    assert isinstance(action, actions.Type)
    copied = {look[0] + 1: look[1] for look in made.looks.tolist() if look[2] == FROM_QUESTION}
    spelled = "".join(tokenizer.texts[made.ids[token]] for token in sorted(copied))
    assert action.target in spelled and action.text in spelled
    assert all(made.trained[token] and not made.trained[source] for token, source in copied.items())
    pictured = {look[1] for look in made.looks.tolist() if look[2] == NAME}
    image = set(np.flatnonzero(made.ids == tokenizer.id(chat.IMAGE)).tolist())
    assert pictured and pictured <= image


def test_a_thought_says_where_before_the_action_does() -> None:
    thought = [made for seed in range(99) for made in conversation(screen(), random.Random(seed)) if made.think]
    assert 20 < len(thought) < 60
    for sample in thought:
        action, told = actions.parse(sample.turns[-1].text), sample.turns[-1].thought
        assert told
        if isinstance(action, actions.Click):
            assert told == f"{action.target} ({action.coordinate[0]:03},{action.coordinate[1]:03})"


def test_a_pocket_row_holds_a_conversation(tmp_path: Path) -> None:
    """512 tokens: four goals beside three tiles of 83."""
    texts = [turn.text for seed in range(80) for turn in conversation(screen(), random.Random(seed))[0].turns]
    trained = tokenise.train_tokenizer(texts, 1024, tmp_path, 81, token_bytes=4)
    longest = max(
        sum(len(trained.encode(turn.text)) + 2 for turn in conversation(screen(), random.Random(seed))[0].turns)
        for seed in range(80)
    )
    assert longest + 3 * 83 <= 512


def given_up(**changes: Any) -> set[str]:
    """What is done where a goal names something that is not to be seen."""
    shown = replace(screen(), **changes)
    made = (_absent(shown, random.Random(seed), "train") for seed in range(20))
    done = [goal.action for goal in made if goal is not None]
    return {f"swipe {_way(one)}" if isinstance(one, actions.Swipe) else one.name for one in done}


def _way(swipe: actions.Swipe) -> str:
    return "down" if swipe.coordinate[1] > swipe.coordinate2[1] else "up"


def test_what_is_not_to_be_seen_is_scrolled_for_where_the_page_goes_on() -> None:
    assert given_up(spare=(0, 0)) == {"terminate"} == given_up()
    assert given_up(spare=(0, 90)) == {"swipe down"} == given_up(spare=(40, 90))
    assert given_up(spare=(40, 0)) == {"swipe up"}, "the end of a page was seen, its beginning was not"
    assert given_up(partial=frozenset({"text"})) == {"swipe down"}, "something is cut off"


def test_nothing_is_sought_under_a_dialogue_a_menu_or_a_keyboard() -> None:
    for role in ("key", "option"):
        assert given_up(spare=(0, 90), elements=(*screen().elements, element(role, "a", 60))) == set()
    assert given_up(spare=(0, 90), over="alone") == set()


def ways_back(**changes: Any) -> set[str]:
    """What is done to leave a screen."""
    made = (_back(replace(screen(), **changes), random.Random(seed), "train") for seed in range(5))
    return {goal.action.name for goal in made if goal is not None}


def test_one_goes_back_by_the_page_or_the_device_and_not_under_what_covers_the_way() -> None:
    there = (*screen().elements, element("icon", "Back", 60))
    assert ways_back() == {"system_button"} and ways_back(elements=there) == {"click"}
    assert ways_back(elements=(*screen().elements, element("button", "Back", 60))) == {"click"}
    assert ways_back(behind=("Back",)) == set(), "its own icon is covered, and a menu would be closed first"
    assert ways_back(over="alone") == set() == ways_back(elements=(*there, element("option", "Pin", 70)))


def scrolled(**changes: Any) -> set[str]:
    """Where one scrolls."""
    made = (_scroll(replace(screen(), **changes), random.Random(seed), "train") for seed in range(20))
    return {_way(goal.action) for goal in made if goal is not None and isinstance(goal.action, actions.Swipe)}


def test_one_scrolls_where_the_page_goes_on_and_nothing_lies_over_it() -> None:
    assert scrolled() == {"up", "down"} == scrolled(spare=(9, 9)), "nobody has measured most screens"
    assert (scrolled(spare=(0, 9)), scrolled(spare=(9, 0)), scrolled(spare=(0, 0))) == ({"down"}, {"up"}, set())
    assert scrolled(over="alone") == set() == scrolled(elements=(*screen().elements, element("key", "a", 60)))
