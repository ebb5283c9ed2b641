"""Chromium, a scripted server, and the page opened in it: whatever its console complains of fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browsing import chromium
from tests.serve.page.site import Say, Site

__all__ = ["chromium"]
LOADING = "Failed to load resource"
"""How Chromium itself tells a status above 399 or a server that is gone."""
Opener = Callable[..., Page]


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        running.scripts = [[Say("Yes.")]]
        yield running


@pytest.fixture
def opened(chromium: Browser, site: Site) -> Iterator[Opener]:
    """Opens the page in a browser profile of its own. A complaint of the console fails the test in the end."""
    complaints: list[str] = []
    contexts = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(LOADING):
            complaints.append(message.text)

    def open_page(**options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1100, "height": 760}, "locale": "en-US", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(opened: Opener) -> Page:
    return opened()
