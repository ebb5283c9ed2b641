"""Who uses it and on what: keyboard, names for those who hear, colours, phones, two languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import contrast, luminances
from tests.serve.page.hands import POINT, ask, attach, screen, state
from tests.serve.page.site import PAGE, Gone, Refuse, Say, Site, Think

Opener = Callable[..., Page]


def test_everything_is_done_with_the_keyboard(page: Page, site: Site) -> None:
    site.scripts = [[Say("One"), Gone()], [Say("Two")]]
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("next")
    page.keyboard.press("Enter")
    expect(page.locator(".words")).to_have_text("One")
    page.keyboard.press("Escape")
    state(page, "stopped")
    assert site.asked[0]["messages"][0]["content"] == "line\nnext"
    reached = walk(page, 14)
    assert {"add", "think", "settings", "new", "question"} <= {name for name, _ in reached}
    assert all(seen for _, seen in reached), reached


def walk(page: Page, steps: int) -> list[tuple[str, bool]]:
    """Id of what Tab comes to, and whether it shows that it has the focus."""
    script = """() => { const at = document.activeElement, style = (node) => getComputedStyle(node);
      const near = at.id === 'think' ? at.nextElementSibling : at;
      const seen = style(near).outlineStyle !== 'none' || at.id === 'question' || at === document.body;
      return [at.id || at.getAttribute('aria-label') || at.className, seen]; }"""
    reached = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        reached.append(tuple(page.evaluate(script)))
    return reached


def test_every_control_has_a_name(page: Page, site: Site) -> None:
    site.scripts = [[Think("Hm."), Say(POINT)]]
    attach(page, screen())
    ask(page, "Where?")
    state(page, "done")
    page.locator("#settings").click()
    nameless = page.evaluate("""() => [...document.querySelectorAll('button, input, textarea')].filter((node) =>
      node.checkVisibility() && !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
      .map((node) => node.outerHTML)""")
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_can_be_read(opened: Opener, site: Site, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    ask(page, "Hello?")
    state(page, "done")
    for place in (".words", ".figures", "#hint"):
        ink, paper = luminances(page.locator(place))
        assert (paper < 0.05) == (scheme == "dark") and contrast(ink, paper) >= 4.5


def test_a_phone_of_360_pixels_has_all_of_it(opened: Opener, site: Site) -> None:
    page = opened(viewport={"width": 360, "height": 640})
    page.locator("#think").check(force=True)
    attach(page, screen(1200, 500))
    site.scripts = [[Say(f"{POINT} {'long' * 60}")]]
    ask(page, "Where?")
    state(page, "done")
    page.locator("#settings").click()
    wide = page.evaluate("""() => [...document.querySelectorAll('main, main *:not(.unseen)')].filter((node) =>
      node.checkVisibility() && node.getBoundingClientRect().right > 360.5).map((node) => node.id || node.className)""")
    assert wide == []
    expect(page.locator("#new")).to_be_hidden()
    page.locator("#menu").click()
    page.locator("#new").click()
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#new")).to_be_hidden()


def test_chinese_where_the_browser_speaks_it(opened: Opener, site: Site) -> None:
    page = opened(locale="zh-CN")
    expect(page.locator("#welcome h2")).to_have_text("屏幕上有什么？")
    assert page.evaluate("document.documentElement.lang") == "zh"
    site.scripts = [Refuse(429, "full")]
    ask(page, "你好")
    expect(page.locator(".trouble")).to_contain_text("服务器正忙")


def test_two_languages_say_the_same_things(page: Page) -> None:
    """Every text is there in both, with the same places to fill in."""
    text = page.evaluate("fetch('words.js').then((answer) => answer.text())")
    parts = text.split("const ZH = {")
    english, chinese = (dict(entries(part.split("};")[0])) for part in (parts[0].split("const EN = {")[1], parts[1]))
    assert english == chinese


def entries(block: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(key, what is filled in) of each text of a block of words.js."""
    for name, value in re.findall(r"(\w+): '([^']*)'", block):
        yield name, tuple(sorted(re.findall(r"\{(\w+)\}", value)))


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_files_are_small_and_bring_nothing_from_outside(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert path.suffix != ".js" or text.startswith("// ")
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text) == []
    outside = set(re.findall(r"https?://[^\s'\"<>)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()
