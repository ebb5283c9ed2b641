"""Many screens from several browsers at once, in order, each a pure function of (seed, split, number, limits).

Workers (crew.py) have a browser each; worker w renders sheets w, w + workers, ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from lapis.data.screens.browser import SHEET, Browser, find_browser, installed_fonts
from lapis.data.screens.compose import HELD, NO_LIMITS, Draft, Limits, Split, draft
from lapis.data.screens.crew import Worker
from lapis.data.screens.page import Element, Legible, Screen, Word, alone
from lapis.data.screens.style import Fonts
from lapis.types import Image, InputError, Progress


def render(
    count: int,
    seed: int,
    split: Split,
    workers: int = 2,
    progress: Progress | None = None,
    limits: Limits = NO_LIMITS,
    start: int = 0,
) -> Iterator[Screen]:
    """Screens `start` to `start + count - 1` of a run, in order.

    `progress` advances by one a screen.
    Raises InputError where Chromium or a Chinese font is missing, RuntimeError where a worker dies.
    """
    fonts = installed_fonts()
    sheets = [range(low, min(low + SHEET, start + count)) for low in range(start, start + count, SHEET)]
    crew = [
        Worker(_work, sheets[number::workers], seed, split, limits, fonts)
        for number in range(min(workers, len(sheets)))
    ]
    try:
        for number in range(len(sheets)):
            for screen in crew[number % workers].receive():
                if progress is not None:
                    progress.advance()
                yield screen
    finally:
        for worker in crew:
            worker.close()


def _work(outlet: Connection, sheets: Sequence[range], seed: int, split: Split, limits: Limits, fonts: Fonts) -> None:
    try:
        with Browser(find_browser()) as browser:
            for sheet in sheets:
                outlet.send(render_drafts(browser, [draft(seed, split, index, limits, fonts) for index in sheet]))
    except BrokenPipeError:
        return
    except InputError as error:
        outlet.send(error)


def render_drafts(browser: Browser, drafts: Sequence[Draft]) -> list[Screen]:
    """Screens of up to SHEET drafts, in order."""
    pages = [(page.html, page.style.width, page.style.height) for page in drafts]
    return [_screen(page, *shot) for page, shot in zip(drafts, browser.sheet(pages), strict=True)]


def _screen(page: Draft, png: bytes, seen: dict[str, Any]) -> Screen:
    words: list[Word] = [tuple(word) for word in seen["words"]]
    style = page.style
    return Screen(
        image=Image(png, style.width, style.height),
        elements=_elements(page, seen, words),
        template=page.template,
        lang=style.lang,
        device=style.device,
        seed=page.seed,
        split=page.split,
        index=page.index,
        difficulty=style.difficulty,
        dark=style.dark,
        words=tuple(words),
        letters=tuple(tuple(edges) for edges in seen["letters"]),
        lines=tuple(tuple(line) for line in seen["lines"]),
        partial=frozenset(seen["partial"]),
        behind=tuple(seen["behind"]),
        torn=tuple(tuple(line) for line in seen["torn"]),
        over="alone" if page.template == "dialogue" else "",
    )


def _elements(page: Draft, seen: dict[str, Any], words: list[Word]) -> tuple[Element, ...]:
    found = seen["elements"]
    lines = [line[0] for line in seen["lines"]]
    unique = alone(((entry["role"], entry["name"]) for entry in found), lines, Legible(lines))
    return tuple(_element(page, entry, words, unique) for entry in found)


def _element(page: Draft, entry: dict[str, Any], words: list[Word], unique: set[str]) -> Element:
    held = page.split in HELD and any(word in entry["name"] for word in page.content)
    data: dict[str, Any] = {"held_word": held}
    if entry["of"]:
        data["of"] = entry["of"]
    if entry["fact"]:
        data |= dict(zip(("field", "item", "value", "unit"), entry["fact"], strict=True))
    return Element(
        role=entry["role"],
        name=entry["name"],
        text=entry["text"],
        box=tuple(entry["box"]),
        words=tuple(words[number] for number in entry["words"]),
        unique=entry["name"].casefold() in unique,
        data=data,
    )
