"""Actions on a real page: at the right pixel at every scale, and only what a page has."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image as Picture

from lapis import actions
from lapis.act.surface import ORIGIN, Surface

WIDTH, HEIGHT = 200, 300
PAGE = """<!doctype html><body style="margin:0;background:#fff;height:1200px">
<div id="dot" style="position:fixed;left:150px;top:240px;width:4px;height:4px;background:#f00" data-set="hit=yes"></div>
<input id="in" data-field="typed" style="position:fixed;left:20px;top:100px;width:80px" value="old">
<script>addEventListener('pointerdown', (event) => {
  const spot = document.createElement('div');
  spot.style.cssText = 'position:fixed;width:1px;height:1px;background:#00f;pointer-events:none';
  spot.style.left = `${event.clientX}px`;
  spot.style.top = `${event.clientY}px`;
  document.body.append(spot);
});</script>"""


@pytest.fixture(scope="module", params=[1.0, 2.0])
def surface(request: pytest.FixtureRequest) -> Iterator[Surface]:
    with Surface(request.param) as opened:
        yield opened


@pytest.fixture
def page(surface: Surface) -> Surface:
    surface.show(PAGE, WIDTH, HEIGHT, {"hit": "no", "typed": "old"})
    return surface


def coloured(surface: Surface, wanted: tuple[int, int, int]) -> list[tuple[int, int]]:
    image = surface.shoot()
    with Picture.open(io.BytesIO(image.data)) as opened:
        assert opened.size == (image.width, image.height) == (WIDTH * surface.scale, HEIGHT * surface.scale)
        shown = opened.convert("RGB")
    return [(x, y) for y in range(shown.height) for x in range(shown.width) if shown.getpixel((x, y)) == wanted]


def kinds(surface: Surface) -> list[str]:
    return [event["kind"] for event in surface.events()]


def test_a_click_is_made_at_the_pixel_that_the_screenshot_shows(page: Surface) -> None:
    """What is 4 px wide is hit from its place in the screenshot, and the click leaves its mark there."""
    seen = coloured(page, (255, 0, 0))
    assert len(seen) == 16 * page.scale**2
    across, down = (sum(place[axis] + 0.5 for place in seen) / len(seen) for axis in (0, 1))
    point = (round(1000 * across / (WIDTH * page.scale)), round(1000 * down / (HEIGHT * page.scale)))
    assert page.perform(actions.Click(coordinate=point))
    assert page.state()["hit"] == "yes"
    blue = coloured(page, (0, 0, 255))
    assert blue and all(abs(x - across) <= page.scale and abs(y - down) <= page.scale for x, y in blue)


@pytest.mark.parametrize("point", [(500, 500), (0, 0), (1000, 1000), (333, 777)])
def test_a_point_is_the_same_place_at_every_scale(page: Surface, point: actions.Point) -> None:
    page.perform(actions.Click(coordinate=point))
    where = next(event for event in page.events() if event["kind"] == "click")
    assert (where["x"], where["y"]) == pytest.approx(
        (min(point[0] * WIDTH / 1000, WIDTH - 1), min(point[1] * HEIGHT / 1000, HEIGHT - 1)), abs=1
    )


def test_double_clicks_and_long_presses_reach_the_page(page: Surface) -> None:
    page.perform(actions.DoubleClick(coordinate=(500, 800)))
    assert "dblclick" in kinds(page)
    page.perform(actions.LongPress(coordinate=(500, 800)))
    assert kinds(page).count("pointerdown") == 3 == kinds(page).count("pointerup")


def test_typing_takes_the_place_of_what_a_field_holds(page: Surface) -> None:
    point, seen = page.find("#in")
    assert seen
    assert page.perform(actions.Type(coordinate=point, text="里斯本 & 'x'"))
    assert page.state()["typed"] == "里斯本 & 'x'"
    assert page.perform(actions.Type(text="!"))
    assert page.state()["typed"] == "里斯本 & 'x'!"


def test_typing_where_no_field_is_does_nothing(page: Surface) -> None:
    assert not page.perform(actions.Type(coordinate=(500, 900), text="x"))
    assert page.state()["typed"] == "old" and "input" not in kinds(page)


def test_a_swipe_scrolls_by_its_own_length(page: Surface) -> None:
    def top() -> float:
        return float(page._read("scrollY"))

    page.perform(actions.Swipe(coordinate=(500, 900), coordinate2=(500, 500)))
    assert top() == pytest.approx(0.4 * HEIGHT, abs=1)
    page.perform(actions.Swipe(coordinate=(500, 500), coordinate2=(500, 900)))
    assert top() == 0


def test_a_drag_holds_on_from_start_to_end(page: Surface) -> None:
    page.perform(actions.Drag(coordinate=(100, 800), coordinate2=(600, 900)))
    down, up = (
        next(event for event in page.events() if event["kind"] == kind) for kind in ("pointerdown", "pointerup")
    )
    assert (down["x"], down["y"], up["x"], up["y"]) == (20, 240, 120, 270)


NOTHING: list[actions.Action] = [
    actions.Open(text="Mail"),
    actions.SystemButton(button="home"),
    actions.SystemButton(button="menu"),
    actions.SystemButton(button="back"),
    actions.TakeNotes(text="x"),
    actions.Answer(text="x"),
    actions.Terminate(status="success"),
]


def test_what_a_page_does_not_have_is_told_and_not_done(page: Surface) -> None:
    assert [page.perform(action) for action in NOTHING] == [False] * len(NOTHING)
    assert page.events() == [] and page._page.url == ORIGIN


def test_back_leaves_a_step_and_enter_presses_a_key(surface: Surface) -> None:
    go = '<div id="go" data-set="step=two">go</div><div data-say="step"></div>'
    surface.show(f"<!doctype html><body>{go}", WIDTH, HEIGHT, {"step": "one"})
    surface.perform(actions.Click(coordinate=surface.find("#go")[0]))
    assert surface.state()["step"] == "two"
    assert surface.perform(actions.SystemButton(button="back"))
    assert surface.state()["step"] == "one"
    assert surface.perform(actions.SystemButton(button="enter")) and "keydown" in kinds(surface)


def test_nothing_leaves_for_the_network(page: Surface) -> None:
    asked = "fetch('http://example.com/').then(() => 'came', () => 'refused')"
    told: Any = page._page.evaluate(asked)
    assert told == "refused"
