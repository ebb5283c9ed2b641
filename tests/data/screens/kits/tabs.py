"""Pages of a test's own in a real Chromium, and what is labelled on them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lapis.data.screens.browser import chromium, find_browser
from lapis.data.screens.kits import given, kits, labels, naming, shots
from lapis.data.screens.kits.tab import View
from lapis.data.screens.page import Screen

SIZE = View(400, 300, 2.0)
AT = "position:absolute;width:80px;height:24px"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A module's: Playwright takes the thread's event loop for as long as it lives."""
    with chromium(find_browser()) as running:
        yield running


def here(kit: kits.Kit) -> kits.Kit:
    """A kit whose packages are in the cache; tests fetch none."""
    if not kits.is_there(kit):
        pytest.skip(f"{kit.name} is not in the cache")
    return kit


def shown(browser: Any, folder: Path, html: str) -> given.GivenTab:
    """A tab that shows a page of a folder as if we had drawn it: its facts are taken."""
    (folder / "page.html").write_text(f"<!doctype html><html><body style='margin:0'>{html}", encoding="utf-8")
    pages = given.of_folder(folder, licence="CC0-1.0", devices=("phone",), views=1, seed=0)
    tab = given.GivenTab(browser, pages)
    tab.own = True
    tab.resize(SIZE)
    tab.page.goto(given.ORIGIN + "page.html")
    tab.page.add_style_tag(content=given.STILL)
    return tab


def elements(tab: Any, scale: float = SIZE.scale) -> dict[str, Any]:
    """What is labelled, by its name or that of its row."""
    join = labels.Join(tab.look())
    found = naming.elements(join, labels.found(join), scale, frozenset())
    return {one.name or one.data.get("of", ""): one for one in found}


def screen(tab: Any, lang: str = "en") -> Screen:
    """The labelled screen that samples are made of."""
    told = {"template": "web", "lang": lang, "device": "phone", "seed": 0, "split": "train"}
    return shots.screen_of(tab.look(), tab.shoot(), SIZE.scale, frozenset(), **told)
