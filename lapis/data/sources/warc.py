"""WARC and WET archives of the web (.warc, .wet; .gz with a member a record, as crawlers write them): a page a record.

Of responses the HTML pages and plain texts that were found (status 200) are read, of conversions the text; what is
neither is passed over. fastwarc parses a record; where records begin is found here, so that a damaged one costs itself.
"""

from __future__ import annotations

import io
import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from lapis.data.sources import html, unpack
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, document
from lapis.data.sources.lines import LONGEST
from lapis.data.sources.places import files, inside
from lapis.types import Sample

ENDINGS = (".warc", ".wet", ".warc.gz", ".wet.gz")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_NEXT = re.compile(rb"WARC/1\.[01]\r\n")
_MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
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
            for place, record in _records(data, unpack.packed(part.path) == "gzip"):
                found = _page(f"{part.name} byte {place}", record, origin, extract)
                if found is not None:
                    yield found
    except Bad as bad:
        yield Broken(part.name, bad.reason)
    except (OSError, ValueError):
        yield Broken(part.name, "cannot be read")


Found = Iterator[tuple[int, bytes | Bad]]
"""Where a record begins, and its bytes or what is bad about it."""


def _records(data: mmap.mmap, gzip: bool) -> Found:
    if not gzip:
        yield from split(data)
        return
    at = 0
    while at < len(data):
        start, (found, at) = at, _member(data, at)
        if isinstance(found, Bad):
            yield start, found
        else:
            yield from ((start, record) for _, record in split(found))


def split(data: bytes | mmap.mmap) -> Found:
    """The records of an archive. A stretch that is none is one Bad, up to where a next record begins."""
    at = 0
    while at < len(data):
        start, end = at, _end(data, at)
        if end:
            at = end
            yield start, bytes(data[start:end]) if end - start <= LONGEST else Bad("too long")
            continue
        found = _NEXT.search(data, start + 1)
        at = found.start() if found else len(data)
        yield start, Bad("bad WARC record" if found else "truncated WARC")


def _end(data: bytes | mmap.mmap, at: int) -> int:
    """Where the record that begins at `at` ends with its two line ends; 0 where none begins or it is cut short."""
    head = data.find(b"\r\n\r\n", at, at + (1 << 16)) + 4
    if head < 4 or not _NEXT.match(data, at):
        return 0
    length = _LENGTH.search(data, at, head)
    end = head + int(length[1]) + 4 if length else 0
    return end if end <= len(data) and data[end - 4 : end] == b"\r\n\r\n" else 0


def _member(data: mmap.mmap, at: int) -> tuple[bytes | Bad, int]:
    """A gzip member unpacked, or what is bad about it, and where the next begins."""
    inner = zlib.decompressobj(wbits=31)
    held: list[bytes] = []
    size, start = 0, at
    try:
        while not inner.eof and size <= LONGEST:
            piece = inner.unconsumed_tail or data[at : at + unpack.PIECE]
            at += 0 if inner.unconsumed_tail else len(piece)
            held.append(inner.decompress(piece, unpack.PIECE))
            size += len(held[-1])
            if not piece and not held[-1]:
                return Bad("truncated gzip"), len(data)
    except zlib.error:
        return Bad("damaged gzip"), _following(data, start)
    if not inner.eof:
        return Bad("decompression bomb" if size > unpack.RATIO * (at - start) else "too long"), _following(data, start)
    return b"".join(held), at - len(inner.unused_data)


def _following(data: mmap.mmap, start: int) -> int:
    """Where the next gzip member begins that opens a WARC record."""
    for found in _MEMBER.finditer(data, start + 1):
        try:
            head = zlib.decompressobj(wbits=31).decompress(data[found.start() : found.start() + 4096], 16)
        except zlib.error:
            continue
        if head.startswith(b"WARC/"):
            return found.start()
    return len(data)


def _page(place: str, record: bytes | Bad, origin: Origin, extract: html.Extract) -> Sample | Broken | None:
    """None for what is no page."""
    try:
        if isinstance(record, Bad):
            raise record
        parsed = next(iter(ArchiveIterator(io.BytesIO(record), record_types=_KINDS, parse_http=True)), None)
        return None if parsed is None else _document(place, parsed, origin, extract)
    except Bad as bad:
        return Broken(place, bad.reason)
    except (OSError, ValueError, RuntimeError):
        return Broken(place, "bad WARC record")


def _document(place: str, record: WarcRecord, origin: Origin, extract: html.Extract) -> Sample | None:
    url = (record.headers.get("WARC-Target-URI") or "").encode(errors="replace").decode()
    if record.record_type == WarcRecordType.conversion:
        return document(origin, place, record.reader.read().decode("utf-8", "replace"), url=url)
    kind, http = record.http_content_type or "", record.http_headers
    if http is None or http.status_code != 200 or kind not in ("text/html", "application/xhtml+xml", "text/plain"):
        return None
    source = html.page(record.reader.read(LONGEST), record.http_charset or "")
    return document(origin, place, source if kind == "text/plain" else extract(source), url=url)


FORM = Form("warc", slices, read, named=False)
