"""Archives packed record by record: members of gzip, or frames of Zstandard that may share a dictionary before them.

A damaged member costs itself, since where the next one begins is found here. The dictionary is IIPC's (WARC-Zstandard
1.0): the content of a skippable frame that opens the file, packed itself or not.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from functools import partial

from backports import zstd

from lapis.data.sources import unpack
from lapis.data.sources.base import Bad
from lapis.data.sources.lines import LONGEST

_BEGINS = {"gzip": re.compile(rb"\x1f\x8b\x08[\x00-\x1f]"), "Zstandard": re.compile(rb"\x28\xb5\x2f\xfd")}
_HEAD = 4096
"""Bytes of a member that are unpacked to see what it opens."""
Make = Callable[[], unpack.Unpacker]


def members(data: mmap.mmap, how: str, opening: bytes) -> Iterator[tuple[int, bytes | Bad]]:
    """Where each member begins, and its bytes or what is bad about it; after a bad one comes the next of which the
    content begins with `opening`. Raises Bad for a dictionary that is none."""
    at = 0
    make: Make = partial(unpack.unpacker, how)
    if data[:4] == unpack.DICTIONARY:
        at = 8 + int.from_bytes(data[4:8], "little")
        if at > len(data):
            raise Bad(f"truncated {how}")
        make = partial(zstd.ZstdDecompressor, _dictionary(data[8:at]))
    while at < len(data):
        start, (found, end) = at, _member(data, at, how, make)
        at = _following(data, start, how, make, opening) if isinstance(found, Bad) and end < len(data) else end
        yield start, found


def _dictionary(content: bytes) -> zstd.ZstdDict:
    try:
        packed = _BEGINS["Zstandard"].match(content)
        return zstd.ZstdDict(zstd.ZstdDecompressor().decompress(content, LONGEST) if packed else content)
    except (zstd.ZstdError, ValueError):
        raise Bad("damaged Zstandard") from None


def _member(data: mmap.mmap, start: int, how: str, make: Make) -> tuple[bytes | Bad, int]:
    """A member unpacked, or what is bad about it, and the place up to which it was read."""
    inner, at = make(), start
    held: list[bytes] = []
    size, piece = 0, b""
    try:
        while not inner.eof and size <= LONGEST:
            held.append(unpack.step(inner, piece, how))
            size += len(held[-1])
            piece = b""
            if len(held[-1]) < unpack.PIECE and not inner.eof:
                piece = data[at : at + unpack.PIECE]
                at += len(piece)
                if not piece and not held[-1]:
                    return Bad(f"truncated {how}"), len(data)
    except Bad as bad:
        return bad, start
    if not inner.eof:
        return Bad("decompression bomb" if size > unpack.RATIO * (at - start) else "too long"), start
    return b"".join(held), at - len(inner.unused_data)


def _following(data: mmap.mmap, start: int, how: str, make: Make, opening: bytes) -> int:
    """Where the next member begins that opens so."""
    for found in _BEGINS[how].finditer(data, start + 1):
        try:
            head = unpack.step(make(), data[found.start() : found.start() + _HEAD], how)
        except Bad:
            continue
        if head.startswith(opening):
            return found.start()
    return len(data)
