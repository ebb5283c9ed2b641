"""Lines of a file with their places, in bounded memory, and where a long file is cut between lines.

A place is `line 17` where lines are counted from the file's beginning, else `byte 67108923`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lapis.data.sources import unpack
from lapis.data.sources.base import Bad, Broken, Slice, decoded

LONGEST = 32 << 20
"""Most bytes of a line, and of every other record; longer ones are passed over without being held."""
SIZE = 16 << 20
"""Bytes of a slice."""


def cut(part: Slice) -> list[Slice]:
    """A long file of lines as slices of about SIZE that begin and end between lines; a packed one is left whole."""
    try:
        if unpack.packed(part.path):
            return [part]
    except Bad:
        return [part]
    ends = [0, *_ends(part.path, SIZE)]
    return [replace(part, first=low, last=high) for low, high in zip(ends, [*ends[1:], None], strict=True)]


def _ends(path: Path, size: int) -> Iterator[int]:
    total = path.stat().st_size
    with path.open("rb") as file:
        at = size
        while at < total:
            file.seek(at - 1)
            while (piece := file.read(1 << 16)) and b"\n" not in piece:
                at += len(piece)
            at += piece.find(b"\n")
            if at < total:
                yield at
            at += size


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a slice, one after the other."""

    data: bytes
    """With the lines' ends; the slice's last line may have none."""
    offset: int
    """Of its first byte, in the file (unpacked)."""
    number: int
    """Lines of the slice before it."""


def blocks(part: Slice) -> Iterator[Block | Broken]:
    """All lines of a slice, some hundred kilobytes of them at a time, and what is broken among them."""
    number = 0
    try:
        for start, data in whole(unpack.pieces(part, part.first, part.last)):
            if data is None:
                yield Broken(place(part, part.first + start, number), "too long")
                number += 1
            else:
                yield Block(data, part.first + start, number)
                number += data.count(b"\n") + (not data.endswith(b"\n"))
    except Bad as bad:
        yield Broken(f"{part.name} line {number + 1}", bad.reason)


def whole(pieces: Iterable[bytes], longest: int = LONGEST) -> Iterator[tuple[int, bytes | None]]:
    """(offset, lines that end in the same piece); None is one line that is longer, which is not held.

    A piece is no longer than a line may be.
    """
    start = size = 0
    held: list[bytes] = []
    for piece in pieces:
        first, last = piece.find(b"\n") + 1, piece.rfind(b"\n") + 1
        if first and size + first - 1 > longest:
            yield start, None
            start, size, piece, last = start + size + first, 0, piece[first:], last - first
        if last:
            yield start, b"".join((*held, piece[:last]))
            start, size, piece = start + size + last, 0, piece[last:]
            held.clear()
        size += len(piece)
        held.append(piece)
        if size > longest:
            held.clear()
    if size:
        yield start, b"".join(held) if size <= longest else None


def place(part: Slice, offset: int, number: int) -> str:
    """Where a line stands, of which so many lie before it in its slice."""
    return f"{part.name} byte {offset}" if part.first else f"{part.name} line {number + 1}"


def read(part: Slice, blank: bool = False) -> Iterator[tuple[str, bytes] | Broken]:
    """(place, line) of every line of a slice, blank ones only where wanted, and what is broken among them."""
    for block in blocks(part):
        if isinstance(block, Broken):
            yield block
        else:
            yield from each(part, block, blank)


def each(part: Slice, block: Block, blank: bool = False) -> Iterator[tuple[str, bytes]]:
    """The same of a block."""
    offset = block.offset
    for number, line in enumerate(block.data.removesuffix(b"\n").split(b"\n"), block.number):
        if blank or line.strip():
            yield place(part, offset, number), line
        offset += len(line) + 1


def value(data: bytes) -> Any:
    """Strict JSON. Raises Bad for everything else, NaN and infinity among it."""
    text = decoded(data)
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        raise Bad("bad JSON") from None


def _refuse(word: str) -> None:
    raise Bad("NaN or infinity")


_JSON = json.JSONDecoder(parse_constant=_refuse)
