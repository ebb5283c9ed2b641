"""Files as bytes, packed by gzip or Zstandard or not: piece by piece, bombs refused, whole up to where one is damaged.

What a file is packed by is seen by its first bytes, not by its name. Unusual: input goes into the decompressor a
kilobyte at a time, so that at most that much before a damaged place is lost.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from backports import zstd

from lapis.data.sources.base import Bad, Slice
from lapis.data.sources.places import inside

PIECE = 1 << 20
"""Bytes of a piece."""
RATIO, FLOOR = 200, 32 << 20
"""A file is a bomb once it gives more than FLOOR bytes and more than RATIO for each of its own (ours: text packed by
gzip or Zstandard gives 3 to 30)."""
_STEP = 1 << 10
DICTIONARY = b"\x5d\x2a\x4d\x18"
"""What a file begins with that brings the dictionary of its Zstandard frames."""
_SKIPPED = {bytes((first,)) + DICTIONARY[1:]: "Zstandard" for first in range(0x50, 0x60)}
"""What frames begin with that are passed over: `pzstd` puts one before each of its own."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "Zstandard", **_SKIPPED}


class Unpacker(Protocol):
    """A decompressor of one gzip member or one Zstandard frame. What it has not taken yet it keeps."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def packed(path: Path) -> str:
    """`gzip`, `Zstandard` or nothing. Raises Bad where the file cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        raise Bad("cannot be read") from None
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def pieces(part: Slice, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """A file's bytes, unpacked; of one that is not packed only those from `first` to before `last`.

    Raises Bad, after all that could be read, where it is damaged or a bomb, lies outside the source or cannot be read.
    """
    inside(part.path, part.root)
    how = packed(part.path)
    with part.path.open("rb") as file:
        if not how:
            yield from _plain(file, first, last)
            return
        yield from _gathered(_bounded(_unpacked(file, how), file))


def _gathered(source: Iterator[bytes]) -> Iterator[bytes]:
    """Short pieces as long ones; what came before an error comes before it."""
    held: list[bytes] = []
    size = 0
    try:
        for piece in source:
            held.append(piece)
            size += len(piece)
            if size >= PIECE:
                yield b"".join(held)
                held, size = [], 0
    except Bad:
        yield b"".join(held)
        raise
    yield b"".join(held)


def opened(part: Slice) -> BinaryIO:
    """A file to read from, unpacked, that cannot seek where it is packed. Raises Bad like `pieces`, also while read."""
    inside(part.path, part.root)
    if not packed(part.path):
        return part.path.open("rb")
    return io.BufferedReader(_Stream(pieces(part)), PIECE)


def whole(part: Slice, most: int) -> bytes:
    """All bytes of a small file, unpacked. Raises Bad where they are more than `most`, and like `pieces`."""
    held, size = [], 0
    for piece in pieces(part):
        held.append(piece)
        size += len(piece)
        if size > most:
            raise Bad("too long")
    return b"".join(held)


class _Stream(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, source: Iterator[bytes]):
        self.source = source
        self.held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.held:
            piece = next(self.source, None)
            if piece is None:
                return 0
            self.held = memoryview(piece)
        size = min(len(buffer), len(self.held))
        buffer[:size] = self.held[:size]
        self.held = self.held[size:]
        return size


def _plain(file: BinaryIO, first: int, last: int | None) -> Iterator[bytes]:
    file.seek(first)
    left = PIECE if last is None else last - first
    while left > 0 and (piece := file.read(min(PIECE, left))):
        left -= 0 if last is None else len(piece)
        yield piece


def _unpacked(file: BinaryIO, how: str) -> Iterator[bytes]:
    """Members or frames one after another."""
    data = file.read(_STEP)
    while data:
        inner = unpacker(how)
        while not inner.eof:
            piece = step(inner, data, how)
            yield piece
            data = b""
            if len(piece) < PIECE and not inner.eof:
                data = file.read(_STEP)
                if not data and not piece:
                    raise Bad(f"truncated {how}")
        data = inner.unused_data.lstrip(b"\0") or file.read(_STEP).lstrip(b"\0")


def unpacker(how: str) -> Unpacker:
    """A decompressor of `gzip` or `Zstandard`."""
    return _Gzip() if how == "gzip" else zstd.ZstdDecompressor()


def step(inner: Unpacker, data: bytes, how: str) -> bytes:
    """What a decompressor gives, up to PIECE, with some more of its data. Raises Bad where they are damaged."""
    try:
        return inner.decompress(data, PIECE)
    except (zlib.error, zstd.ZstdError):
        raise Bad(f"damaged {how}") from None


class _Gzip:
    """zlib's decompressor with the manners of Zstandard's: it keeps what it has not yet taken."""

    def __init__(self) -> None:
        self.inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self.inner.eof

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self.inner.decompress(self.inner.unconsumed_tail + data, max_length)


def _bounded(source: Iterator[bytes], file: BinaryIO) -> Iterator[bytes]:
    """The same pieces until they are too much for what was read of the file."""
    size = 0
    for piece in source:
        size += len(piece)
        if size > max(FLOOR, RATIO * file.tell()):
            raise Bad("decompression bomb")
        yield piece
