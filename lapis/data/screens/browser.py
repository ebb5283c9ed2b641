"""Chromium as a renderer of many small screens: a contact sheet a screenshot, cut apart afterwards.

One long-lived page holds a sheet of screens in boxes of their own; one script reads all boxes and one screenshot takes
all pictures, which is several times faster than a page a screen (ours).
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image as Pictures
from playwright.sync_api import Error, sync_playwright

from lapis.data.screens.style import Fonts
from lapis.said import first_line
from lapis.types import InputError

SHEET = 24
"""Screens of a sheet."""
WIDTH, HEIGHT = 1512, 2520
"""Pixels of the page; any SHEET screens fit, whatever their sizes."""
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update",
    "--disable-sync", "--disable-lcd-text", "--font-render-hinting=none", "--force-color-profile=srgb",
    "--disable-partial-raster",
)  # fmt: skip
"""Partial raster draws again only what changed, and its seams differ by when a frame came: pictures would too."""
OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND", "--webrtc-ip-handling-policy=disable_non_proxied_udp")
"""Chromium itself reaches no network: what a page may load is answered by us."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
PREFERRED = {
    "sans": ("Liberation Sans", "DejaVu Sans", "Noto Sans", "Arial", "Helvetica"),
    "serif": ("Liberation Serif", "DejaVu Serif", "Noto Serif", "Times New Roman"),
    "mono": ("Liberation Mono", "DejaVu Sans Mono", "Noto Sans Mono", "Courier New"),
    "zh-sans": ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC"),
    "zh-serif": ("Noto Serif CJK SC", "Source Han Serif SC", "Songti SC"),
    "zh-mono": ("Noto Sans Mono CJK SC",),
}


def installed_fonts() -> Fonts:
    """Installed families that screens are set in. Raises InputError where no Chinese font is installed."""
    lister = shutil.which("fc-list")
    if lister is None:
        raise InputError(
            "fc-list: not found; install fontconfig and a Chinese font (Debian: fontconfig fonts-noto-cjk)"
        )
    if not _families(lister, ":lang=zh"):
        raise InputError("fonts: none covers Chinese; install one (Debian: fonts-noto-cjk)")
    found = _families(lister, ":")
    return {kind: tuple(name for name in names if name in found) for kind, names in PREFERRED.items()}


def _families(lister: str, pattern: str) -> set[str]:
    out = subprocess.run([lister, pattern, "family"], capture_output=True, text=True, check=True).stdout
    return {name.strip() for line in out.splitlines() for name in line.split(",") if name.strip()}


def find_browser() -> str | None:
    """Path of an installed Chromium that answers; None leaves the choice to Playwright's own."""
    return next((path for name in NAMES if (path := shutil.which(name)) and _answers(path)), None)


def _answers(path: str) -> bool:
    """Ubuntu's chromium-browser may be a stub that only asks for a snap."""
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


@contextmanager
def chromium(path: str | None) -> Iterator[Any]:
    """A running Chromium, as Playwright's object: `path` is the program, None for Playwright's own. Raises InputError
    where none can be started."""
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *OFFLINE])
        except Error as error:
            reason = first_line(error)
            raise InputError(f"chromium: cannot be started ({reason}); install it (Debian: chromium)") from None
        try:
            yield browser
        finally:
            browser.close()


class Browser:
    """A running Chromium with one page. Use it as a context manager; a thread can hold one.

    `path` is the program to run, None for Playwright's own. Entering raises InputError where none can be started.
    """

    def __init__(self, path: str | None):
        self._path = path

    def __enter__(self) -> Browser:
        self._running = ExitStack()
        browser = self._running.enter_context(chromium(self._path))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1)
        self._session = page.context.new_cdp_session(page)
        page.set_content("<!doctype html><html><body style='margin:0;background:#fff'></body></html>")
        self._page = page
        self._measure = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._running.close()

    def sheet(self, pages: Sequence[tuple[str, int, int]]) -> list[tuple[bytes, dict[str, Any]]]:
        """Render up to SHEET pages of (HTML, width, height); for each its PNG and what `measure.js` saw of it."""
        places, bottom = arrange([(width, height) for _, width, height in pages])
        boxes = [
            {"html": html, "width": width, "height": height, "x": x, "y": y}
            for (html, width, height), (x, y) in zip(pages, places, strict=True)
        ]
        seen = json.loads(self._page.evaluate(self._measure, json.dumps(boxes)))
        shot = self._shoot(bottom)
        return [(_crop(shot, box), found) for box, found in zip(boxes, seen, strict=True)]

    def _shoot(self, bottom: int) -> Pictures.Image:
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": bottom, "scale": 1}
        options = {"format": "png", "optimizeForSpeed": True, "clip": clip}
        data = self._session.send("Page.captureScreenshot", options)["data"]
        return Pictures.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def _crop(shot: Pictures.Image, box: dict[str, Any]) -> bytes:
    x, y = box["x"], box["y"]
    out = io.BytesIO()
    shot.crop((x, y, x + box["width"], y + box["height"])).save(out, "PNG", compress_level=3)
    return out.getvalue()


def arrange(sizes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Top left corners of boxes of (width, height), set in shelves from tall to low, and the height they take."""
    places = [(0, 0)] * len(sizes)
    x = y = shelf = 0
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number][1]):
        width, height = sizes[number]
        if x + width > WIDTH:
            x, y, shelf = 0, y + shelf, 0
        places[number] = (x, y)
        x, shelf = x + width, max(shelf, height)
    return places, y + shelf
