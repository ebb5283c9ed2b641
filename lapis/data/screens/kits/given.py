"""Pages that are given rather than drawn: a folder of HTML, or addresses on the web whose hosts are allowed.

Of a folder nothing outside it is loaded, and no network is asked. Of the web only hosts of the allow-list are asked,
by GET alone, redirects included; all else is refused, WebSockets and service workers too.
"""

from __future__ import annotations

import mimetypes
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from playwright.sync_api import Error

from lapis.data.screens.browser import chromium, find_browser
from lapis.data.screens.kits.draw import DARK, viewport
from lapis.data.screens.kits.shots import Shot, looks_like, screen_of
from lapis.data.screens.kits.tab import ORIGIN, Seen, Tab, View
from lapis.data.sources.base import Broken
from lapis.said import first_line
from lapis.types import InputError, Progress

PATIENCE = 30_000
"""Milliseconds that a page may take to load."""
REDIRECTS = 5
STILL = """*,*::before,*::after{transition:none!important;animation:none!important;caret-color:transparent!important;
scroll-behavior:auto!important}*{pointer-events:auto!important}"""
"""Style that is added to every page: nothing moves, and what is on top is what the mouse would meet."""
PLACE = "share => { const root = document.scrollingElement; const spare = root.scrollHeight - innerHeight;" \
    "root.scrollTop = Math.round(share * spare); return spare; }"  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """Pages of a user, and what may be loaded for them."""

    places: tuple[str, ...]
    """Files of the folder, or addresses."""
    folder: Path | None
    allow: frozenset[str]
    licence: str
    devices: tuple[str, ...]
    views: int
    seed: int


def of_folder(folder: Path, **told: Any) -> Given:
    """All HTML files of a folder, by name. Raises InputError where there is none."""
    root = folder.resolve()
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.htm*") if path.is_file())
    if not found:
        raise InputError(f"html: {folder} holds no HTML file")
    return Given(places=tuple(found), folder=root, allow=frozenset(), **told)


def of_web(urls: Sequence[str], allow: Sequence[str], **told: Any) -> Given:
    """Addresses on the web. Raises InputError for one whose host is not allowed."""
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"url: {url!r} is no http or https address")
        if parts.hostname not in allow:
            raise InputError(f"url: {parts.hostname} is not allowed; allow={parts.hostname} allows it")
    return Given(places=tuple(urls), folder=None, allow=frozenset(allow), **told)


def shots(given: Given, pages: Sequence[int], progress: Progress) -> Iterator[tuple[int, list[Shot | Broken]]]:
    """(number, its screens, or why there are none) of each page. Raises InputError where Chromium itself ends."""
    with chromium(find_browser()) as browser, ExitStack() as tabs:
        tab = tabs.enter_context(closing(GivenTab(browser, given)))
        for number in pages:
            try:
                made: list[Shot | Broken] = list(tab.views(number))
            except Error as error:
                made = [Broken(given.places[number], f"cannot be shown ({first_line(error)})")]
                tab = tabs.enter_context(closing(_another(browser, given, number)))
            progress.advance(1, given.places[number])
            yield number, made


def _another(browser: Any, given: Given, number: int) -> GivenTab:
    """A fresh tab after a page that failed: its renderer may be gone."""
    if not browser.is_connected():
        raise InputError(f"chromium: ended while it showed {given.places[number]}; the same command goes on")
    return GivenTab(browser, given)


class GivenTab(Tab):
    """A tab that shows given pages."""

    own = False

    def __init__(self, browser: Any, given: Given):
        super().__init__(browser, bypass_csp=True, service_workers="block")
        self._given = given
        self.context.route("**/*", self._answer)
        self.page.set_default_timeout(PATIENCE)
        self.listen()

    def _answer(self, route: Any) -> None:
        if route.request.method != "GET":
            route.abort()
        elif self._given.folder is not None:
            self._serve(route, self._given.folder)
        else:
            self._ask(route)

    def _serve(self, route: Any, folder: Path) -> None:
        url = route.request.url
        path = (folder / unquote(urlsplit(url).path).lstrip("/")).resolve()
        if url.startswith(ORIGIN) and path.is_relative_to(folder) and path.is_file():
            body = path.read_bytes()
            route.fulfill(body=body, content_type=content_type(path.name, body))
        else:
            route.abort()

    def _ask(self, route: Any) -> None:
        url = route.request.url
        for _ in range(REDIRECTS):
            if urlsplit(url).hostname not in self._given.allow or urlsplit(url).scheme not in ("http", "https"):
                break
            try:
                answer = route.fetch(url=url, max_redirects=0)
            except Error:
                break
            if answer.status // 100 != 3 or "location" not in answer.headers:
                route.fulfill(response=answer)
                return
            url = urljoin(url, answer.headers["location"])
        route.abort()

    def views(self, number: int) -> Iterator[Shot]:
        """Labelled screens of one page: as it opens, and further down, in both themes."""
        given, rng = self._given, random.Random(f"given/{self._given.seed}/{number}")
        place = given.places[number]
        device = rng.choice(given.devices)
        view = viewport(rng, device)
        self.resize(view)
        self.page.goto(ORIGIN + quote(place) if given.folder else place, wait_until="load")
        self.page.add_style_tag(content=STILL)
        known: set[Any] = set()
        dark = rng.random() < DARK
        for count, share in enumerate((0.0, *sorted(rng.random() for _ in range(given.views - 1)))):
            self.page.emulate_media(color_scheme="dark" if dark != (count % 2 == 1) else "light")
            self.page.evaluate(PLACE, share)
            seen = self.look()
            if seen.look["lines"] and looks_like(seen) not in known:
                known.add(looks_like(seen))
                yield self._shot(seen, view, device, number, len(known) - 1, dark != (count % 2 == 1))

    def _shot(self, seen: Seen, view: View, device: str, number: int, count: int, dark: bool) -> Shot:
        place = self._given.places[number]
        screen = screen_of(
            seen, self.shoot(), view.scale, frozenset(), template="web", lang=_language(seen), device=device,
            seed=self._given.seed, split="train", index=number * 4 + count, dark=dark,
        )  # fmt: skip
        meta = {"kit": "given", "page": place, "device": device, "size": [view.width, view.height], "scale": view.scale,
                "dark": dark, "view": count}  # fmt: skip
        return Shot(screen, f"lapis:given/{place}", self._given.licence, meta)


def content_type(name: str, body: bytes) -> str:
    """What a file is, UTF-8 where its bytes are that: many pages do not say it themselves."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return kind
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _language(seen: Seen) -> str:
    """Chinese where a fifth of the characters are."""
    text = "".join(line[0] for line in seen.look["lines"])
    return "zh" if 5 * sum("\u4e00" <= one <= "\u9fff" for one in text) >= len(text) else "en"
