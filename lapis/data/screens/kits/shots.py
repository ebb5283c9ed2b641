"""Pages drawn and shot: each view becomes a labelled screen, made by several processes, in order.

One mounted page gives at most four screens, of which no two have the same texts in the same places: a view that shows
nothing new is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lapis.data.screens.browser import chromium, find_browser, installed_fonts
from lapis.data.screens.compose import Split
from lapis.data.screens.crew import Worker
from lapis.data.screens.kits import draw, labels, naming
from lapis.data.screens.kits.draw import MOST_VIEWS, Plan, plan
from lapis.data.screens.kits.kits import Kit
from lapis.data.screens.kits.packages import CACHE
from lapis.data.screens.kits.tab import KitTab, Seen, Tab
from lapis.data.screens.page import Screen
from lapis.data.screens.style import Fonts
from lapis.types import Image, InputError, Progress

UNCOUNTED = frozenset({"button", "icon", "item", "image", "key"})
"""Roles that nobody counts on pages of kits: a page may draw more of them than it tells of."""
SAID = frozenset({"text", "value"})
"""Roles whose names are lines of the page, so that the browser has told of those that are cut off or covered."""
LEAST_SCROLL = 60
"""CSS pixels by which a page must have been scrolled to be another picture."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A labelled screen, and how it came about."""

    screen: Screen
    source: str
    licence: str
    meta: dict[str, Any]
    """kit, device, size in CSS pixels, scale, dark, overlay, scroll."""


@dataclass(frozen=True, slots=True)
class Series:
    """What a run of pages is drawn from."""

    seed: int
    split: Split
    kits: tuple[Kit, ...]
    devices: tuple[str, ...]
    views: int = MOST_VIEWS
    cache: Path = CACHE


def shots(
    series: Series, pages: Sequence[int], workers: int = 2, progress: Progress | None = None
) -> Iterator[tuple[int, list[Shot]]]:
    """(number, its screens) of each page, in order; `progress` advances by one a page.

    Raises InputError where Chromium or a Chinese font is missing, RuntimeError where a worker dies.
    """
    fonts = installed_fonts()
    count = min(workers, len(pages))
    crew = [Worker(_work, series, pages[number::count], fonts) for number in range(count)]
    try:
        for number, page in enumerate(pages):
            made = crew[number % count].receive()
            if progress is not None:
                progress.advance()
            yield page, made
    finally:
        for worker in crew:
            worker.close()


def _work(outlet: Connection, series: Series, pages: Sequence[int], fonts: Fonts) -> None:
    try:
        with chromium(find_browser()) as browser:
            tabs: dict[str, KitTab] = {}
            for page in pages:
                outlet.send(drawn(browser, tabs, planned(series, page, fonts), series))
    except BrokenPipeError:
        return
    except InputError as error:
        outlet.send(error)


def planned(series: Series, page: int, fonts: Fonts) -> Plan:
    """The plan of a page of a series."""
    return plan(series.seed, series.split, page, series.kits, series.devices, series.views, fonts)


def drawn(browser: Any, tabs: dict[str, KitTab], page: Plan, series: Series) -> list[Shot]:
    """The screens of one page; a kit's tab is opened once and kept in `tabs`."""
    if page.kit.name not in tabs:
        tabs[page.kit.name] = KitTab(browser, page.kit, series.cache)
    tab = tabs[page.kit.name]
    tab.resize(page.view)
    made: list[Shot] = []
    known: set[Any] = set()
    for view in page.views:
        further = view["scroll"] * tab.show(view)
        if made and further < LEAST_SCROLL and not view["overlay"] and not view["keyboard"]:
            continue
        seen = tab.look()
        if looks_like(seen) not in known:
            known.add(looks_like(seen))
            made.append(_shot(tab, seen, page, view, series, len(made)))
    return made


def looks_like(seen: Seen) -> Any:
    """What two views must not share: their texts and where these stand."""
    return tuple((line[0], round(line[1]), round(line[2])) for line in seen.look["lines"])


def _shot(tab: Tab, seen: Seen, page: Plan, view: dict[str, Any], series: Series, number: int) -> Shot:
    screen = screen_of(
        seen, tab.shoot(), page.view.scale, page.content,
        template=page.kind, lang=page.lang, device=page.device, seed=series.seed, split=series.split,
        index=page.index * MOST_VIEWS + number, dark=view["dark"],
    )  # fmt: skip
    meta = {
        "kit": page.kit.name, "versions": page.kit.source, "device": page.device,
        "size": [page.view.width, page.view.height], "scale": page.view.scale, "dark": view["dark"],
        "overlay": draw.overlay_name(view), "scroll": round(view["scroll"], 3), "page": page.index, "view": number,
    }  # fmt: skip
    source = f"lapis:screens/{page.kit.name}/{page.kind}/{series.seed}-{series.split}-{screen.index}"
    return Shot(screen, source, page.kit.licence, meta)


def screen_of(seen: Seen, png: bytes, scale: float, content: frozenset[str], **told: Any) -> Screen:
    """A screen from what a tab shows; `told` are the fields of Screen that only its maker knows."""
    join = labels.Join(seen)
    things = labels.found(join)
    words = [naming.scaled_word(word, scale) for word in seen.look["words"]]
    found = naming.elements(join, things, scale, content)
    return Screen(
        image=Image(png, *struct.unpack(">II", png[16:24])),
        elements=found,
        words=tuple(words),
        letters=tuple(tuple(round(edge * scale, 2) for edge in edges) for edges in seen.look["letters"]),
        lines=tuple(naming.scaled_word(line, scale) for line in seen.look["lines"]),
        partial=UNCOUNTED | {one.role for one in things if not one.whole},
        behind=(*seen.look["behind"], *(one.name for one in things if not one.whole and one.role not in SAID)),
        torn=tuple(naming.scaled_word(line, scale) for line in seen.look["torn"]),
        over=seen.look["over"],
        spare=(seen.look["spare"]["up"], seen.look["spare"]["down"]),
        **told,
    )
