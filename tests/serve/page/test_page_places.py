"""Places that an answer names, drawn on the picture: compared with the pixels of a screenshot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.serve.page.hands import ACTION, POINT, SPOT, WIDTH, ask, attach, screen, state
from tests.serve.page.site import Say, Site

Opener = Callable[..., Page]


def middle_of_pink(page: Page, scale: float) -> tuple[float, float]:
    """Where the square really is in the window, in CSS pixels, by the pixels of a screenshot."""
    page.evaluate("for (const mark of document.querySelectorAll('.mark')) mark.style.visibility = 'hidden'")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.evaluate("for (const mark of document.querySelectorAll('.mark')) mark.style.visibility = ''")
    red, green, blue = np.moveaxis(np.asarray(shot, dtype=int), 2, 0)
    down, across = np.nonzero((red > 215) & (green < 40) & (blue > 215))
    return (across.min() + across.max() + 1) / 2 / scale, (down.min() + down.max() + 1) / 2 / scale


def check_mark(page: Page, mark: str, scale: float) -> None:
    """The mark's middle lies on the square's, to one pixel of the picture or of the window, whichever is larger."""
    expect(page.locator(mark)).to_be_in_viewport(ratio=1)
    box = page.locator(mark).bounding_box()
    image = page.locator(mark).locator("xpath=../img").bounding_box()
    assert box and image
    near = max(1, image["width"] / WIDTH)
    expected = [pytest.approx(middle, abs=near) for middle in middle_of_pink(page, scale)]
    assert [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2] == expected


@contextmanager
def only_places(page: Page) -> Iterator[None]:
    """The question's own picture shows the square as well: out of sight."""
    page.evaluate("for (const shots of document.querySelectorAll('.shots')) shots.hidden = true")
    yield
    page.evaluate("for (const shots of document.querySelectorAll('.shots')) shots.hidden = false")


@pytest.mark.parametrize(("scale", "said"), [(1, POINT), (1.5, POINT), (1.5, ACTION)], ids=["1", "1.5", "action"])
def test_a_place_is_drawn_at_its_pixel(opened: Opener, site: Site, scale: float, said: str) -> None:
    page = opened(device_scale_factor=scale)
    page.emulate_media(reduced_motion="reduce")
    site.scripts = [[Say(said)]]
    attach(page, screen())
    ask(page, 'Where is "Save"?')
    state(page, "done")
    expect(page.locator(".legend")).to_contain_text(f"pixel {SPOT[0]}, {SPOT[1]}")
    with only_places(page):
        check_mark(page, ".places .mark", scale)
        page.evaluate("document.documentElement.style.zoom = 1.5")
        check_mark(page, ".places .mark", scale)
        page.evaluate("document.documentElement.style.zoom = 1")
        page.set_viewport_size({"width": 400, "height": 700})
        check_mark(page, ".places .mark", scale)


def test_a_place_stays_right_while_the_picture_is_enlarged(page: Page, site: Site) -> None:
    page.emulate_media(reduced_motion="reduce")
    site.scripts = [[Say(POINT)]]
    attach(page, screen())
    ask(page, 'Where is "Save"?')
    state(page, "done")
    with only_places(page):
        page.locator(".places .face").click()
        seen = []
        for key in ("0", "+", "+", "-"):
            page.keyboard.press(key)
            seen.append(page.locator(".bar output").inner_text())
            page.locator(".viewer").evaluate("(dialog) => { dialog.style.background = '#000'; }")
            check_mark(page, ".viewer .mark", 1)
        assert seen[1] == seen[3] and len(set(seen)) == 3
        page.keyboard.press("Escape")
        expect(page.locator(".viewer")).to_have_count(0)
        expect(page.locator(".places .face")).to_be_focused()


def test_boxes_swipes_and_several_places(page: Page, site: Site) -> None:
    swipe = '{"action":"swipe","coordinate":[500,800],"coordinate2":[500,200]}'
    site.scripts = [
        [Say("1. Save (100,200)\n2. 删除(300,400)\n3. list [100, 250, 600, 750]\nno place (1200,3)")],
        [Say(swipe)],
    ]
    attach(page, screen())
    ask(page, "Where?")
    expect(page.locator(".legend li")).to_have_count(3)
    assert page.locator(".legend b").all_inner_texts() == ["Save", "删除", "list"]
    image, box = (page.locator(f".places {part}").bounding_box() for part in ("img", ".box"))
    assert image and box
    shares = [
        (box["x"] - image["x"]) / image["width"],
        (box["y"] - image["y"]) / image["height"],
        box["width"] / image["width"],
        box["height"] / image["height"],
    ]
    assert shares == pytest.approx([0.1, 0.25, 0.5, 0.5], abs=0.003)
    ask(page, "Scroll down.")
    expect(page.locator(".path .mark")).to_have_count(2)
    assert page.locator(".path .line").get_attribute("y2") == "200"


def test_without_a_picture_numbers_are_no_places(page: Page, site: Site) -> None:
    site.scripts = [[Say("The point (100,200).")]]
    ask(page, "Which point?")
    state(page, "done")
    assert page.locator(".mark").count() == 0
