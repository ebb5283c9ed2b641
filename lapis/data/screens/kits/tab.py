"""A Chromium page with a kit loaded once: described pages are drawn into it one after the other, looked at and shot.

Nothing is asked of a network: the page stands at an origin of its own, and every request is answered from the kit's
packages in the cache and our own files, or not at all.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapis.data.screens.kits.kits import JS, Kit
from lapis.data.screens.kits.packages import CACHE

ORIGIN = "http://screen.test/"
"""Where the page says that it is."""


@dataclass(frozen=True, slots=True)
class View:
    """The viewport that a page is shown in."""

    width: int
    """CSS pixels."""
    height: int
    scale: float
    """Pixels of the picture a CSS pixel."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a browser says of what it shows: its accessibility tree, its snapshot, and what `look.js` found."""

    tree: list[dict[str, Any]]
    snapshot: dict[str, Any]
    look: dict[str, Any]
    own: bool
    """The page is ours, so that what it says in `data-fact` is true."""


class Tab:
    """A page of a running browser. `shoot` and `look` tell of what is shown now."""

    own = True

    def __init__(self, browser: Any, **context: Any):
        self._context = browser.new_context(no_viewport=True, **context)
        self._page = self._context.new_page()
        self._session = self._context.new_cdp_session(self._page)
        self._look = (JS / "look.js").read_text(encoding="utf-8")
        self._view: View | None = None

    @property
    def page(self) -> Any:
        """Playwright's page."""
        return self._page

    @property
    def context(self) -> Any:
        """Playwright's context, which answers requests."""
        return self._context

    def close(self) -> None:
        """End the page and its context."""
        self._context.close()

    def resize(self, view: View) -> None:
        """Show in another viewport."""
        if view != self._view:
            size = {"width": view.width, "height": view.height, "deviceScaleFactor": view.scale, "mobile": False}
            self._session.send("Emulation.setDeviceMetricsOverride", size)
            self._view = view

    def listen(self) -> None:
        """Keep the accessibility tree up from now on, so that asking for it is cheap."""
        self._session.send("Accessibility.enable")

    def look(self) -> Seen:
        """What is shown, three ways that `data-n` and node ids join."""
        look = json.loads(self._page.evaluate(self._look))
        tree = self._session.send("Accessibility.getFullAXTree")["nodes"]
        snapshot = self._session.send("DOMSnapshot.captureSnapshot", {"computedStyles": []})
        return Seen(tree, snapshot, look, self.own)

    def shoot(self) -> bytes:
        """The viewport as PNG."""
        shot = self._session.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
        return base64.b64decode(shot["data"])


class KitTab(Tab):
    """A tab with a kit in it."""

    def __init__(self, browser: Any, kit: Kit, cache: Path = CACHE):
        super().__init__(browser)
        self._files = kit_files(kit, cache)
        self._html = frame(self._files)
        self._context.route("**/*", self._answer)
        self._page.goto(ORIGIN)
        self._page.evaluate("document.fonts.load('16px bootstrap-icons')")
        self.listen()

    def _answer(self, route: Any) -> None:
        name = route.request.url.removeprefix(ORIGIN).split("?")[0]
        if name == "":
            route.fulfill(body=self._html, content_type="text/html; charset=utf-8")
        elif name in self._files:
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            route.fulfill(body=self._files[name].read_bytes(), content_type=kind)
        else:
            route.abort()

    def show(self, page: dict[str, Any]) -> int:
        """Draw a page; returns by how many CSS pixels its body can be scrolled."""
        return int(self._page.evaluate("page => lapis.show(page)", page))


def kit_files(kit: Kit, cache: Path = CACHE) -> dict[str, Path]:
    """What a kit's page loads, by the path that it is asked for under, in the order of loading."""
    found = {f"{one.name}/{name}": cache / one.folder / name for one in kit.packages for name in one.files}
    own = ["common.css", f"{kit.name}.css", "common.js", *(["vue.js"] if "vue" in kit.source else []), f"{kit.name}.js"]
    return found | {f"lapis/{name}": JS / name for name in own if (JS / name).is_file()}


def frame(files: dict[str, Path]) -> str:
    """The page around all of a kit's pages."""
    styles = "".join(f'<link rel="stylesheet" href="{name}">' for name in files if name.endswith(".css"))
    scripts = "".join(f'<script src="{name}"></script>' for name in files if name.endswith(".js"))
    head = f'<!doctype html><html><head><meta charset="utf-8">{styles}</head>'
    return f'{head}<body><div id="app"></div>{scripts}</body></html>'
