"""A real Chromium for pages of ours, and whether what stands on them can be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, sync_playwright

from lapis.data.screens.browser import ARGUMENTS, find_browser

COLOURS = "(node) => [getComputedStyle(node).color, getComputedStyle(document.body).backgroundColor]"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A module's: Playwright takes the thread's event loop for as long as it lives."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        yield browser
        browser.close()


def luminances(place: Locator) -> tuple[float, float]:
    """Of a text and of the page behind it."""
    ink, paper = (_luminance(colour) for colour in place.evaluate(COLOURS))
    return ink, paper


def contrast(ink: float, paper: float) -> float:
    """WCAG's contrast of two luminances; 4.5 can be read."""
    return (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)


def _luminance(colour: str) -> float:
    """WCAG's relative luminance of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
