"""Lines of a file with their places, in bounded memory, and where a long file is cut between lines.

A place is `line 17` where lines are counted from the file's beginning, else `byte 67108923`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
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


def split(pieces: Iterable[bytes], longest: int = LONGEST) -> Iterator[tuple[int, bytes | None]]:
    """(offset, line without its end) of every line; None is one that is longer."""
    start = size = 0
    held: list[bytes] = []
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for end in whole:
            size += len(end)
            yield start, b"".join((*held, end)) if size <= longest else None
            start, size = start + size + 1, 0
            held.clear()
        size += len(rest)
        held.append(rest)
        if size > longest:
            held.clear()
    if size:
        yield start, b"".join(held) if size <= longest else None


def read(part: Slice, blank: bool = False) -> Iterator[tuple[str, bytes] | Broken]:
    """(place, line) of every line of a slice, blank ones only where wanted, and what is broken among them."""
    name, number = part.name, 0
    try:
        for number, (offset, line) in enumerate(split(unpack.pieces(part, part.first, part.last)), 1):
            place = f"{name} byte {part.first + offset}" if part.first else f"{name} line {number}"
            if line is None:
                yield Broken(place, "too long")
            elif blank or line.strip():
                yield place, line
    except Bad as bad:
        yield Broken(f"{name} line {number + 1}", bad.reason)


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
