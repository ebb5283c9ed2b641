"""HTML pages as their main text (.html, .htm, .xhtml), by resiliparse."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

from lapis.data.sources import records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice
from lapis.data.sources.places import bundles, packs
from lapis.types import InputError, Sample

ENDINGS = packs(".html", ".htm", ".xhtml")
Extract = Callable[[str], str]
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)


def slices(place: Path) -> list[Slice]:
    """Some files of a folder each."""
    return bundles(place, ENDINGS)


def read(part: Slice, origin: Origin, quality: bool = False) -> Iterator[Sample | Broken]:
    """A document a page. Raises InputError where trafilatura is wanted and not installed."""
    extract = clean_text if quality else fast_text
    if quality:
        trafilatura()
    return records.documents(part, origin, lambda data: {"text": extract(page(data))})


def page(data: bytes, charset: str = "") -> str:
    """A page's source by the encoding that its server or itself names, UTF-8 where none does, else by its looks.

    One byte in a thousand may be odd, as browsers bear it. Raises Bad where no encoding fits, and for null bytes.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16"
    told = map_encoding_to_html5(charset) if charset else _own(data)
    text = data.decode(told or "utf-8", "replace").removeprefix("\ufeff")
    if "\0" in text:
        raise Bad("null byte")
    if text.count("\ufffd") * 1000 <= len(text):
        return text
    try:
        return data.decode(detect_encoding(data) or "utf-8")
    except (UnicodeDecodeError, LookupError):
        raise Bad("not in its encoding") from None


def _own(data: bytes) -> str | None:
    """The encoding that a page names itself: UTF-8 where that is UTF-16, in which its name could not be read here."""
    found = _CHARSET.search(data[:4096])
    told = map_encoding_to_html5(found[1].decode()) if found else None
    return "utf-8" if told and told.startswith("utf-16") else told


def fast_text(source: str) -> str:
    """The main text of a page, by resiliparse. Raises Bad."""
    try:
        return extract_plain_text(source, preserve_formatting=True, main_content=True, alt_texts=False)
    except Exception:  # its parser raises what its binding makes of it
        raise Bad("bad HTML") from None


def clean_text(source: str) -> str:
    """The same by trafilatura: fewer remains of menus, a fifteenth of the speed. Raises Bad."""
    try:
        return trafilatura()(source) or ""
    except Exception:  # lxml and others raise nothing common
        raise Bad("bad HTML") from None


@cache
def trafilatura() -> Callable[[str], str | None]:
    """trafilatura's extraction. Raises InputError where it is not installed."""
    try:
        return importlib.import_module("trafilatura").extract
    except ImportError:
        raise InputError("this form needs trafilatura (pip install trafilatura)") from None


FORM = Form("html", slices, read, named=False)
