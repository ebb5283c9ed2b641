"""WARC and WET archives of the web (.warc, .wet; packed .gz or .zst with a member a record): a page a record.

Of responses the HTML pages and plain texts that were found (status 200) are read, of conversions the text; what is
neither is passed over. fastwarc parses a record and undoes how its body was sent (chunks, gzip, deflate, Brotli,
Zstandard); where records begin is found here, so that a damaged one costs itself.
"""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from lapis.data.sources import html, members, unpack
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, document
from lapis.data.sources.lines import LONGEST
from lapis.data.sources.places import files, inside, packs
from lapis.types import Sample

ENDINGS = packs(".warc", ".wet")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_NEXT = re.compile(rb"WARC/1\.[01]\r\n")
_KINDS = WarcRecordType.response | WarcRecordType.conversion


def slices(place: Path) -> list[Slice]:
    """The files: crawlers write them no larger than a gigabyte."""
    return files(place, ENDINGS)


def read(part: Slice, origin: Origin, quality: bool = False) -> Iterator[Sample | Broken]:
    """A document a page. Raises InputError where trafilatura is wanted and not installed."""
    extract = html.clean_text if quality else html.fast_text
    if quality:
        html.trafilatura()
    try:
        inside(part.path, part.root)
        with part.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for place, record in _records(data, unpack.packed(part.path)):
                found = _page(f"{part.name} byte {place}", record, origin, extract)
                if found is not None:
                    yield found
    except Bad as bad:
        yield Broken(part.name, bad.reason)
    except (OSError, ValueError):
        yield Broken(part.name, "cannot be read")


Found = Iterator[tuple[int, bytes | Bad]]
"""Where a record begins, and its bytes or what is bad about it."""


def _records(data: mmap.mmap, how: str) -> Found:
    if not how:
        yield from split(data)
        return
    for start, found in members.members(data, how, b"WARC/"):
        if isinstance(found, Bad):
            yield start, found
        else:
            yield from ((start, record) for _, record in split(found))


def split(data: bytes | mmap.mmap) -> Found:
    """The records of an archive. A stretch that is none is one Bad, up to where a next record begins."""
    at = 0
    while at < len(data):
        start, end = at, _end(data, at)
        if 0 < end <= len(data):
            at = end
            yield start, bytes(data[start:end]) if end - start <= LONGEST else Bad("too long")
            continue
        found = _NEXT.search(data, start + 1)
        at = found.start() if found else len(data)
        yield start, Bad("truncated WARC" if end and not found else "bad WARC record")


def _end(data: bytes | mmap.mmap, at: int) -> int:
    """Where the record that begins at `at` ends with its two line ends, beyond the data where it is cut short; 0 where
    none begins."""
    if not _NEXT.match(data, at):
        return 0
    head = data.find(b"\r\n\r\n", at, at + (1 << 16)) + 4
    if head < 4:
        return len(data) + 1 if at + (1 << 16) > len(data) else 0
    length = _LENGTH.search(data, at, head)
    end = head + int(length[1]) + 4 if length else 0
    return end if end > len(data) or data[end - 4 : end] == b"\r\n\r\n" else 0


def _page(place: str, record: bytes | Bad, origin: Origin, extract: html.Extract) -> Sample | Broken | None:
    """None for what is no page."""
    try:
        if isinstance(record, Bad):
            raise record
        return _document(place, record, origin, extract)
    except Bad as bad:
        return Broken(place, bad.reason)
    except (OSError, ValueError, RuntimeError):
        return Broken(place, "bad WARC record")


def _document(place: str, data: bytes, origin: Origin, extract: html.Extract) -> Sample | None:
    record = _parsed(data, "all")
    if record is None:
        return None
    url = (record.headers.get("WARC-Target-URI") or "").encode(errors="replace").decode()
    if record.record_type == WarcRecordType.conversion:
        return document(origin, place, record.reader.read().decode("utf-8", "replace"), url=url)
    kind, http = record.http_content_type or "", record.http_headers
    if http is None or http.status_code != 200 or kind not in ("text/html", "application/xhtml+xml", "text/plain"):
        return None
    source = html.page(_body(record, data), record.http_charset or "")
    return document(origin, place, source if kind == "text/plain" else extract(source), url=url)


def _parsed(data: bytes, decoded: Literal["all", "none"]) -> WarcRecord | None:
    """A record of the kinds that are read, its body as it was before it was sent, or as it stands there."""
    found = ArchiveIterator(io.BytesIO(data), record_types=_KINDS, parse_http=True, auto_decode=decoded)
    return next(iter(found), None)


def _body(record: WarcRecord, data: bytes) -> bytes:
    """The page that was sent, also where its headers speak of packing that the archive has undone. Raises Bad."""
    try:
        return _read(record, len(data))
    except OSError:
        again = _parsed(data, "none")
        raw = again.reader.read(LONGEST) if again else b""
        if not raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise Bad("damaged body") from None
        return raw


def _read(record: WarcRecord, size: int) -> bytes:
    """A body, piece by piece. Raises Bad where it is longer than a record may be, and OSError where it is damaged."""
    held, total = [], 0
    while piece := record.reader.read(unpack.PIECE):
        held.append(piece)
        total += len(piece)
        if total > LONGEST:
            raise Bad("decompression bomb" if total > unpack.RATIO * size else "too long")
    return b"".join(held)


FORM = Form("warc", slices, read, named=False)
