"""WARC archives whose pages are read by trafilatura, as `html_quality` reads them."""

from __future__ import annotations

from functools import partial

from lapis.data.sources import warc
from lapis.data.sources.base import Form

FORM = Form("warc_quality", warc.slices, partial(warc.read, quality=True), named=False)
