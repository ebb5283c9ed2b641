"""Descriptions of pages: every kind, in both languages and sizes, says only what it can stand by."""

import dataclasses
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from lapis.data.screens import phrases
from lapis.data.screens.kinds import UNSEEN
from lapis.data.screens.kits import draw
from lapis.data.screens.kits.describe import ICONS, Page
from lapis.data.screens.kits.kits import KITS, PLAIN
from lapis.data.screens.kits.pages import HELD, KINDS
from lapis.data.screens.kits.say import Say

DEVICES = ("phone", "tablet", "desktop")


def page(kind: str, lang: str, wide: bool, held: bool = False, seed: int = 0) -> tuple[Page, Say]:
    say = Say(random.Random(f"{kind} {seed}"), lang, held)
    return KINDS[kind](say, wide), say


def facts(value: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """(part, fact) of everything in a page that may be asked for."""
    if isinstance(value, dict):
        yield from ((value, value[name]) for name in ("fact", "notefact") if value.get(name))
        yield from (found for one in value.values() for found in facts(one))
    elif isinstance(value, list | tuple):
        yield from (found for one in value for found in facts(one))


def test_there_are_many_kinds_in_both_languages() -> None:
    assert len(KINDS) >= 30
    assert set(KINDS) <= set(phrases.KINDS)
    assert set(UNSEEN) & set(KINDS) == HELD, "what one generator keeps back, no other trains on"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_a_pure_description(kind: str) -> None:
    for lang in ("en", "zh"):
        for wide in (False, True):
            made, again = (page(kind, lang, wide)[0] for _ in range(2))
            assert made == again
            told = json.loads(json.dumps(dataclasses.asdict(made)))
            assert told["title"] and told["body"] and made.overlays
            assert set(made.actions) <= set(ICONS)
            for part, (field, item, value, _) in facts(told):
                assert field in phrases.FACTS, field
                assert item and str(value) in json.dumps(part, ensure_ascii=False)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_training_and_held_out_pages_share_no_content_word(lang: str) -> None:
    said: dict[bool, set[str]] = {True: set(), False: set()}
    for kind in sorted(KINDS):
        for held in (False, True):
            _, say = page(kind, lang, True, held, seed=3)
            said[held] |= {word.casefold() for word in say.content}
    assert said[True] and said[False] and not said[True] & said[False]


def test_a_plan_is_drawn_by_its_number_alone() -> None:
    kits = (PLAIN,)
    plans = [draw.plan(1, "train", number, kits, DEVICES, 4, {}) for number in range(60)]
    assert plans[7] == draw.plan(1, "train", 7, kits, DEVICES, 4, {})
    assert {one.lang for one in plans} == {"en", "zh"}
    assert {one.device for one in plans} == {*DEVICES}
    assert {view["dark"] for one in plans for view in one.views} == {True, False}
    over = {draw.overlay_name(view) for one in plans for view in one.views}
    assert {"", "dialog", "sheet", "menu", "toast", "keyboard"} <= over
    assert len({one.view.scale for one in plans}) >= 4
    assert not {one.kind for one in plans} & HELD
    assert {draw.plan(1, "unseen", number, kits, DEVICES, 4, {}).kind for number in range(30)} == HELD
    for one in plans:
        assert len(one.views) <= draw.MOST_VIEWS
        assert (one.view.width * one.view.scale) % 1 == (one.view.height * one.view.scale) % 1 == 0


def test_three_kits_are_published_ones_and_one_is_of_chinese_phone_apps() -> None:
    published = [kit for kit in KITS if kit.packages]
    assert len(published) >= 3
    assert {"vant", "weui"} <= {kit.name for kit in published}
    assert all(len(one.sha512) == 88 for kit in published for one in kit.packages)
