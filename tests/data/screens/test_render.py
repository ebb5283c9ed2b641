"""Real pages in a real Chromium: boxes proven on pixels, order, equality of runs, and what is missing or dies."""

import html
import io
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as Pictures

from lapis.data.screens import browser as module
from lapis.data.screens.browser import HEIGHT, SHEET, WIDTH, Browser, arrange, find_browser, installed_fonts
from lapis.data.screens.compose import Draft, Limits, draft
from lapis.data.screens.crew import Worker
from lapis.data.screens.page import Box, Element
from lapis.data.screens.render import _work, render, render_drafts
from lapis.data.screens.style import SIZES
from lapis.types import InputError


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser(find_browser()) as running:
        yield running


@pytest.fixture(scope="module")
def drafts() -> list[Draft]:
    return [draft(0, "train", index, fonts=installed_fonts()) for index in range(SHEET)]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Pictures.open(io.BytesIO(png)), dtype=np.int16)


def changed_box(before: bytes, after: bytes) -> Box:
    """Bounding box of the pixels that differ."""
    ys, xs = np.nonzero(np.abs(pixels(before) - pixels(after)).max(axis=2))
    return xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()


def recoloured(page: Draft, element: Element) -> tuple[str, int, int]:
    mark = f' data-role="{element.role}" data-name="{html.escape(element.name)}"'
    assert page.html.count(mark) == 1
    glare = "<style>[data-probe]{background:#f0f!important;opacity:1!important}</style>"
    return glare + page.html.replace(mark, " data-probe" + mark), page.style.width, page.style.height


def test_a_recoloured_element_changes_the_pixels_of_its_box_and_no_others(
    chromium: Browser, drafts: list[Draft]
) -> None:
    probed = [
        (page, screen, element)
        for page, screen in zip(drafts[:8], render_drafts(chromium, drafts[:8]), strict=True)
        for element in screen.elements[:9]
        if element.unique
    ]
    assert len(probed) > 40
    for start in range(0, len(probed), SHEET):
        part = probed[start : start + SHEET]
        shots = chromium.sheet([recoloured(page, element) for page, _, element in part])
        for (_, screen, element), (png, _) in zip(part, shots, strict=True):
            found = changed_box(screen.image.data, png)
            assert np.abs(np.array(ends(found)) - np.array(ends(element.box))).max() <= 1.5, element


def ends(box: Box) -> tuple[float, ...]:
    x, y, w, h = box
    return x, y, x + w, y + h


def test_without_its_text_a_screen_changes_inside_the_words_only(chromium: Browser, drafts: list[Draft]) -> None:
    plain = [page for page in drafts if page.template in ("table", "form", "chat", "settings", "shop")]
    blank = "<style>.s *{color:transparent!important}</style>"
    for page, screen in zip(plain, render_drafts(chromium, plain), strict=True):
        icons = tuple(element.box for element in screen.elements if element.role == "icon")
        boxes = [word[1:] for word in screen.words]
        ((png, _),) = chromium.sheet([(page.html + blank, page.style.width, page.style.height)])
        changed = np.abs(pixels(screen.image.data) - pixels(png)).max(axis=2) > 0
        for box in boxes:
            assert crop(changed, box).any()
        if not screen.partial:
            for box in (*boxes, *icons):
                crop(changed, box, 2)[:] = False
            assert changed.sum() <= 40, "arrows and borders only"


def crop(mask: np.ndarray, box: Box, more: int = 0) -> np.ndarray:
    left, top, right, bottom = (round(end) for end in ends(box))
    return mask[max(0, top - more) : bottom + more, max(0, left - more) : right + more]


PAGE = """<style>.s{position:absolute;inset:0;overflow:hidden} div{position:absolute;width:80px;height:20px}</style>
<div class="s" style="width:252px;height:252px">
<div data-role="button" data-name="shown" style="left:10px;top:10px">Alpha beta</div>
<div data-role="button" data-name="covered" style="left:10px;top:60px">Gamma</div>
<div style="left:0;top:50px;width:120px;height:40px;background:#000"></div>
<div data-role="button" data-name="unseen" style="left:10px;top:110px;visibility:hidden">Delta</div>
<div data-role="button" data-name="faded" style="left:10px;top:130px;opacity:0">Faded</div>
<div data-role="button" data-name="cut" style="left:220px;top:10px">Epsilon</div>
<div data-role="button" data-name="scrolled" style="left:10px;top:245px">Zeta</div>
<div data-role="button" data-name="half" style="left:10px;top:150px;width:30px;overflow:hidden">Etaetaeta</div>
<div data-role="text" data-name="zh" style="left:120px;top:60px;font-family:'Noto Sans CJK SC'">一二三四五六七八</div>
</div>"""


def test_only_what_can_be_seen_is_reported(chromium: Browser) -> None:
    ((_, seen),) = chromium.sheet([(PAGE, 252, 252)])
    assert [element["name"] for element in seen["elements"]] == ["shown", "zh"]
    assert [word[0] for word in seen["words"] if word[0].isascii()] == ["Alpha", "beta", "Faded"]
    assert seen["elements"][0]["box"] == [10, 10, 80, 20]
    assert "button" in seen["partial"]


def test_chinese_is_cut_into_runs_and_lines(chromium: Browser) -> None:
    ((_, seen),) = chromium.sheet([(PAGE, 252, 252)])
    words = [word for word in seen["words"] if not word[0].isascii()]
    assert "".join(word[0] for word in words) == "一二三四五六七八"
    assert len({word[2] for word in words}) == 2, "two lines"
    assert [line[0] for line in seen["lines"] if not line[0].isascii()] == ["一二三四五", "六七八"]
    assert all(word[3] == pytest.approx(16 * len(word[0]), abs=1) for word in words)


def test_a_screen_is_the_same_wherever_it_stands_on_a_sheet(chromium: Browser, drafts: list[Draft]) -> None:
    together = render_drafts(chromium, drafts)
    turned = render_drafts(chromium, drafts[::-1])[::-1]
    assert together == turned
    assert render_drafts(chromium, drafts[5:6]) == together[5:6]


def test_rendered_screens_have_what_tasks_need(chromium: Browser, drafts: list[Draft]) -> None:
    screens = render_drafts(chromium, drafts)
    assert all(len(screen.elements) >= 3 and len(screen.words) >= 3 for screen in screens)
    assert sum(len(screen.quantities()) > 1 for screen in screens) >= SHEET // 5
    for screen in screens:
        assert Pictures.open(io.BytesIO(screen.image.data)).size == (screen.image.width, screen.image.height)
        for x, y, right, bottom in (ends(element.box) for element in screen.elements):
            assert 0 <= x < right <= screen.image.width
            assert 0 <= y < bottom <= screen.image.height
        assert not any(element.data["held_word"] for element in screen.elements)


def test_workers_give_the_same_screens_in_order(chromium: Browser, drafts: list[Draft]) -> None:
    made = list(render(SHEET + 3, 0, "train", workers=2))
    assert [screen.index for screen in made] == list(range(SHEET + 3))
    assert made[:SHEET] == render_drafts(chromium, drafts)


def test_a_dead_worker_is_an_error() -> None:
    worker = Worker(_work, [range(SHEET)] * 50, 0, "train", Limits(), {})
    try:
        os.kill(worker.process.pid or 0, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="died"):
            while True:
                worker.receive()
    finally:
        worker.close()


def test_a_missing_browser_is_named() -> None:
    def start() -> None:
        with Browser("/nowhere/chromium"):
            pass

    with ThreadPoolExecutor(1) as thread, pytest.raises(InputError, match="^chromium: .*install it") as caught:
        thread.submit(start).result()
    assert "\n" not in str(caught.value)


def test_a_missing_chinese_font_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_families", lambda lister, pattern: set())
    with pytest.raises(InputError, match="fonts-noto-cjk"):
        installed_fonts()


def test_any_screens_fit_a_sheet() -> None:
    sizes = list(SIZES)
    for mixture in ([size] * SHEET for size in sizes):
        assert arrange(mixture)[1] <= HEIGHT
    places, bottom = arrange([sizes[number % len(sizes)] for number in range(SHEET)])
    assert bottom <= HEIGHT
    assert max(x for x, _ in places) < WIDTH
    assert len(set(places)) == SHEET
