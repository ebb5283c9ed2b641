"""Actions drawn on pictures: at the right pixel, at any size, and with nothing of the screen moved."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Picture

from lapis import actions
from lapis.act import draw
from tests.eval.scripted import picture

GREY = 0x808080


def reds(shown: Picture.Image) -> list[tuple[int, int]]:
    """Places of the ink."""
    return [
        (x, y)
        for y in range(shown.height)
        for x in range(shown.width)
        if sum(abs(one - two) for one, two in zip(shown.getpixel((x, y)), draw.INK, strict=True)) < 40
    ]


@pytest.mark.parametrize(("width", "height"), [(64, 96), (252, 252), (540, 1200)])
@pytest.mark.parametrize("kind", [actions.Click, actions.DoubleClick, actions.LongPress])
def test_rings_stand_around_the_place_and_grow_with_the_picture(
    width: int, height: int, kind: type[actions.Click]
) -> None:
    shown = draw.picture(picture(GREY, width, height), kind(coordinate=(500, 250)))
    found = reds(shown.crop((0, 0, width, height)))
    across, down = zip(*found, strict=True)
    middle = ((min(across) + max(across)) / 2, (min(down) + max(down)) / 2)
    assert middle == pytest.approx((width / 2, height / 4), abs=1.5)
    assert max(across) - min(across) > max(14, min(width, height) / 16)


def test_a_double_tap_has_two_rings() -> None:
    once, twice = (
        draw.picture(picture(GREY, 252, 252), kind(coordinate=(500, 500)))
        for kind in (actions.Click, actions.DoubleClick)
    )

    def rings(shown: Picture.Image) -> int:
        row = [(x, 126) in found for found in [set(reds(shown))] for x in range(126, 252)]
        return sum(now and not before for before, now in zip(row, row[1:], strict=False))

    assert (rings(once), rings(twice)) == (1, 2)


def test_an_arrow_goes_from_the_start_to_the_end() -> None:
    swipe = actions.Swipe(coordinate=(500, 800), coordinate2=(500, 200))
    found = reds(draw.picture(picture(GREY, 200, 400), swipe))
    down = [y for _, y in found if y < 400]
    assert min(down) == pytest.approx(80, abs=3) and max(down) == pytest.approx(320, abs=6)
    wide = {y: sum(place[1] == y for place in found) for y in (90, 200)}
    assert wide[90] > 2 * wide[200]


def test_the_strip_below_moves_nothing_and_says_the_action() -> None:
    plain = draw.picture(picture(GREY, 120, 80), actions.Answer(text="42"))
    assert plain.width == 120 and plain.height > 80
    assert {plain.getpixel((x, y)) for x in range(120) for y in range(80)} == {(128, 128, 128)}
    assert draw.words(actions.Answer(text="42")) == "answer 42"
    assert draw.words(actions.Click(target="Save", coordinate=(1, 2))) == "click “Save” [1, 2]"
    assert len(draw.words(actions.Answer(text="a" * 500))) == draw.LONGEST


@pytest.mark.parametrize("point", [(0, 0), (1000, 1000)])
def test_the_edges_are_on_the_picture(point: actions.Point) -> None:
    x, y = draw.pixel(point, 252, 504)
    assert 0 <= x <= 251 and 0 <= y <= 503


def test_pictures_of_any_size_stand_in_rows(tmp_path: Path) -> None:
    small, large = (Picture.new("RGB", (side, side), "red") for side in (10, 30))
    draw.save(draw.sheet([[small, large], [large]], gap=5), tmp_path / "sheet.png")
    with Picture.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (55, 75)
        assert sheet.getpixel((14, 14)) == sheet.getpixel((5, 69)) == (255, 0, 0) != sheet.getpixel((14, 20))
