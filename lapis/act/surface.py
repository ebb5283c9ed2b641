"""A real Chromium page that actions are performed on: no window, no network, at any number of pixels a point.

Coordinates are thousandths of the page; the browser counts in CSS pixels, of which a screenshot has `scale` times as
many, so a point means the same place at every scale. What a page in a browser does not have (other apps, a home
button) is not performed, and `perform` says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.sync_api import Error, sync_playwright

from lapis import actions
from lapis.act.draw import Place, pixel
from lapis.actions import Action
from lapis.data.screens.browser import ARGUMENTS, find_browser
from lapis.said import first_line
from lapis.types import Image, InputError

ORIGIN = "http://screen.test/"
"""Where the page says that it is: nothing is asked there."""
HOLD = 0.6
"""Seconds of a long press."""
PATIENCE = 1.0
"""Most seconds that `wait` waits: a page here is as it will be at once."""
SPEED = 4000
"""Pixels a second of a swipe."""


class Surface:
    """A page to act on. Use it as a context manager; a thread can hold one. Raises InputError without a Chromium."""

    def __init__(self, scale: float = 1.0):
        self.scale = scale
        self._script = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
        self._html = ""

    def __enter__(self) -> Surface:
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        except Error as error:
            self._playwright.stop()
            reason = first_line(error)
            raise InputError(f"chromium: cannot be started ({reason}); install it (Debian: chromium)") from None
        context = self._browser.new_context(device_scale_factor=self.scale)
        context.route("**/*", self._answer)
        self._page = context.new_page()
        self._session = context.new_cdp_session(self._page)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._browser.close()
        self._playwright.stop()

    def _answer(self, route: Any) -> None:
        """Our own page, and nothing else from anywhere."""
        if route.request.url == ORIGIN:
            route.fulfill(body=self._html, content_type="text/html; charset=utf-8")
        else:
            route.abort()

    def show(self, html: str, width: int, height: int, state: dict[str, Any]) -> None:
        """Load a page whose script begins with this state."""
        self._html, self._size = html, (width, height)
        self._page.set_viewport_size({"width": width, "height": height})
        self._page.goto(ORIGIN)
        self._page.evaluate(self._script, state)
        self._settle()

    def shoot(self) -> Image:
        """What can be seen now, as PNG."""
        width, height = (round(side * self.scale) for side in self._size)
        return Image(self._page.screenshot(scale="device"), width, height)

    def state(self) -> dict[str, Any]:
        """The page's own state."""
        return self._read("lapis.state")

    def events(self) -> list[dict[str, Any]]:
        """What has reached the page from outside, in order: kind, and place in CSS pixels."""
        return self._read("lapis.events")

    def find(self, selector: str) -> tuple[actions.Point, bool]:
        """The middle of an element in thousandths, and whether it can be touched there now."""
        found = self._read(f"lapis.find({json.dumps(selector)})")
        x, y, w, h = found["box"]
        across, down = ((x + w / 2) / self._size[0], (y + h / 2) / self._size[1])
        return (round(across * actions.SCALE), round(down * actions.SCALE)), bool(found["seen"])

    def _read(self, what: str) -> Any:
        return json.loads(self._page.evaluate(f"JSON.stringify({what})"))

    def perform(self, action: Action) -> bool:
        """Do it, and let the page come to rest; false where there is nothing here to do it with."""
        done = self._perform(action)
        self._settle()
        return done

    def _perform(self, action: Action) -> bool:
        match action:
            case actions.Click() | actions.DoubleClick():
                self._tap(action.coordinate, 2 if isinstance(action, actions.DoubleClick) else 1)
            case actions.LongPress():
                self._hold(action.coordinate)
            case actions.Type():
                return self._type(action)
            case actions.Swipe():
                self._swipe(self._place(action.coordinate), self._place(action.coordinate2))
            case actions.Drag():
                self._drag(self._place(action.coordinate), self._place(action.coordinate2))
            case actions.SystemButton():
                return self._press(action.button)
            case actions.Wait():
                self._page.wait_for_timeout(1000 * min(action.seconds, PATIENCE))
            case _:
                return False
        return True

    def _place(self, point: actions.Point) -> Place:
        return pixel(point, *self._size)

    def _tap(self, point: actions.Point, times: int) -> None:
        self._page.mouse.click(*self._place(point), click_count=times)

    def _hold(self, point: actions.Point) -> None:
        self._page.mouse.click(*self._place(point), delay=1000 * HOLD)

    def _type(self, action: actions.Type) -> bool:
        """Into the field at the coordinate, in place of what it holds, or at the caret."""
        if action.coordinate is not None:
            self._tap(action.coordinate, 1)
        focused = "document.activeElement && 'value' in document.activeElement"
        if not self._page.evaluate(focused):
            return False
        if action.coordinate is not None:
            self._page.evaluate("document.activeElement.select()")
        self._page.keyboard.insert_text(action.text)
        return True

    def _swipe(self, start: Place, end: Place) -> None:
        """Scrolls by the swipe's own length: fingers made by hand throw pages on, never twice alike."""
        (x, y), (across, down) = start, (end[0] - start[0], end[1] - start[1])
        gesture = {"x": x, "y": y, "xDistance": across, "yDistance": down, "speed": SPEED}
        self._session.send("Input.synthesizeScrollGesture", {**gesture, "gestureSourceType": "mouse"})

    def _drag(self, start: Place, end: Place) -> None:
        mouse = self._page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=8)
        mouse.up()

    def _press(self, button: str) -> bool:
        if button == "enter":
            self._page.keyboard.press("Enter")
            return True
        if button == "back" and self._page.evaluate("history.state !== null"):
            self._page.go_back()
            return True
        return False

    def _settle(self) -> None:
        """Two frames: what an action changed is drawn."""
        self._page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
