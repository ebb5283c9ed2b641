"""PDF files as text, page after page (.pdf), by pypdf; locked ones and scanned pages without text are broken."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

from pypdf import PageObject, PdfReader

from lapis.data.sources import records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice
from lapis.data.sources.places import bundles
from lapis.types import Sample

ENDINGS = (".pdf",)
MOST = 2000
"""Most pages that are read."""


def slices(place: Path) -> list[Slice]:
    """Some files of a folder each."""
    return bundles(place, ENDINGS)


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A document a file, an empty line between its pages."""
    return records.documents(part, origin, lambda data: {"text": text(data)})


def text(data: bytes) -> str:
    """The text of all pages. Raises Bad where there is none."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        with PdfReader(io.BytesIO(data)) as reader:
            if reader.is_encrypted and not reader.decrypt(""):
                raise Bad("locked PDF")
            if len(reader.pages) > MOST:
                raise Bad("too long")
            pages = [page.extract_text().strip() for page in reader.pages]
            scanned = not any(pages) and any(_pictures(page) for page in reader.pages)
    except Bad:
        raise
    except Exception:  # pypdf raises whatever a damaged file leads it to
        raise Bad("damaged PDF") from None
    if scanned:
        raise Bad("scanned PDF")
    return "\n\n".join(page for page in pages if page)


def _pictures(page: PageObject) -> bool:
    return bool(page.images)


FORM = Form("pdf", slices, read, named=False)
