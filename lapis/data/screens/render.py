"""Many screens from several browsers at once, in order, each a pure function of (seed, split, number, limits).

Workers are spawned processes, each with a browser of its own; worker w renders sheets w, w + workers, ... and writes
them to its own pipe, so a worker that dies is an end of file here: an error, never a hang. As with everything that
spawns, the calling script needs its `if __name__ == "__main__"`.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from lapis.data.screens.browser import SHEET, Browser, find_browser, installed_fonts
from lapis.data.screens.compose import HELD, NO_LIMITS, Draft, Limits, Split, draft
from lapis.data.screens.page import Element, Screen, Word
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
    crew = [_Worker(sheets[number::workers], seed, split, limits, fonts) for number in range(min(workers, len(sheets)))]
    try:
        for number in range(len(sheets)):
            for screen in crew[number % workers].receive():
                if progress is not None:
                    progress.advance()
                yield screen
    finally:
        for worker in crew:
            worker.close()


class _Worker:
    """The parent's end of a rendering process."""

    def __init__(self, sheets: Sequence[range], seed: int, split: Split, limits: Limits, fonts: Fonts):
        context = multiprocessing.get_context("spawn")
        self.inlet, outlet = context.Pipe(duplex=False)
        arguments = (outlet, sheets, seed, split, limits, fonts)
        self.process: BaseProcess = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        outlet.close()

    def receive(self) -> list[Screen]:
        """The next sheet. Passes on the worker's error."""
        try:
            found = self.inlet.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"a rendering process died (exit code {self.process.exitcode})") from None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """Lets a running worker end by itself (its next write fails), and ends it where it does not."""
        self.inlet.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


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
    )


def _elements(page: Draft, seen: dict[str, Any], words: list[Word]) -> tuple[Element, ...]:
    found = seen["elements"]
    names = Counter(entry["name"].casefold() for entry in found)
    lines = Counter(line[0].casefold() for line in seen["lines"])
    return tuple(_element(page, entry, words, names, lines) for entry in found)


def _element(
    page: Draft, entry: dict[str, Any], words: list[Word], names: Counter[str], lines: Counter[str]
) -> Element:
    key = entry["name"].casefold()
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
        unique=bool(key) and names[key] == 1 and lines[key] <= 1,
        data=data,
    )
