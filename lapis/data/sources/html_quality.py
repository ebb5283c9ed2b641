"""HTML pages as their main text by trafilatura: fewer remains of menus than `html`, a fifteenth of the speed."""

from __future__ import annotations

from functools import partial

from lapis.data.sources import html
from lapis.data.sources.base import Form

FORM = Form("html_quality", html.slices, partial(html.read, quality=True), named=False)
