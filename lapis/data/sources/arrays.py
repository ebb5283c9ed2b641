"""Elements of a JSON array in a file, one at a time in bounded memory; a broken one is passed over.

Unusual: after a broken element, reading goes on where a next one begins as that one did (`{"id":`).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from lapis.data.sources import unpack
from lapis.data.sources.base import Bad, Broken, Slice
from lapis.data.sources.lines import LONGEST

_BETWEEN = re.compile(r"[\s,]*")
_HEAD = re.compile(r'\{\s*("(?:[^"\\]|\\.){1,100}")\s*:')
_NEAR = 16
"""Characters before the window's end in which an error may only mean that more is to come."""


def is_array(part: Slice) -> bool:
    """Whether the first character that is no space opens an array. Raises Bad where the file cannot be read."""
    first = next(unpack.pieces(part), b"")
    return first.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def read(part: Slice) -> Iterator[tuple[str, Any] | Broken]:
    """(place, value) of every element, and what is broken."""
    window = _Window(unpack.pieces(part))
    number = 0
    while window.begins():
        number += 1
        place = f"{part.name} element {number}"
        try:
            found: tuple[str, Any] | Broken = (place, window.element())
        except Bad as bad:
            found = Broken(place, bad.reason)
        yield found
    if window.fault is not None:
        yield Broken(f"{part.name} element {number + 1}", window.fault.reason)


class _Window:
    """The part of a file's text that is held; the next element begins at `at`."""

    def __init__(self, pieces: Iterator[bytes]):
        self.pieces = pieces
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
        self.odd: list[str] = []
        self.json = json.JSONDecoder(parse_constant=self.odd.append)
        self.text, self.at = "", 0
        self.ended = False
        self.fault: Bad | None = None
        """Why the array has no end."""
        self.more()
        self.text = self.text.lstrip().removeprefix("[")

    def more(self) -> bool:
        """Hold about twice as much. False where there is no more."""
        self.text, self.at = self.text[self.at :], 0
        size = max(len(self.text), unpack.PIECE)
        held: list[str] = []
        while size > 0 and not self.ended:
            held.append(self._next())
            size -= len(held[-1])
        self.text += "".join(held)
        return any(held)

    def _next(self) -> str:
        try:
            piece = next(self.pieces, None)
        except Bad as bad:
            piece, self.fault = None, bad
        self.ended = piece is None
        return self.decoder.decode(piece or b"", self.ended)

    def begins(self) -> bool:
        """Go to the next element. False at the array's end, and where the file ends without it."""
        while True:
            between = _BETWEEN.match(self.text, self.at)
            self.at = between.end() if between else self.at
            if self.at < len(self.text):
                return self.text[self.at] != "]"
            if not self.more():
                self.fault = self.fault or Bad("truncated JSON")
                return False

    def element(self) -> Any:
        """The next element. Raises Bad where it is none, and stands behind it all the same."""
        while True:
            self.odd.clear()
            try:
                found, end = self.json.raw_decode(self.text, self.at)
                break
            except json.JSONDecodeError as error:
                unfinished = error.pos > len(self.text) - _NEAR or error.msg.startswith("Unterminated")
            except (ValueError, RecursionError):
                unfinished = False
            if not unfinished or len(self.text) - self.at > LONGEST or not self.more():
                raise self._passed()
        source, self.at = self.text[self.at : end], end
        if self.odd:
            raise Bad("NaN or infinity")
        try:
            source.encode()
        except UnicodeEncodeError:
            raise Bad("not UTF-8") from None
        return found

    def _passed(self) -> Bad:
        """Go to where a next element begins like this one, or to the end; why this one is none."""
        head = _HEAD.match(self.text, self.at)
        like = re.compile(r"[,\s]\{\s*" + (re.escape(head[1]) if head else '"'))
        self.at += 1
        while not (found := like.search(self.text, self.at)):
            self.at = max(self.at, len(self.text) - 2 * unpack.PIECE)
            if not self.more():
                return self._lost()
        self.at = found.start() + 1
        return Bad("bad JSON")

    def _lost(self) -> Bad:
        """Nothing follows a broken element: it is the last, or the file ends in it."""
        fault, self.fault = self.fault, None
        whole = self.text.rstrip().endswith("]")
        self.text, self.at = "]", 0
        return fault or Bad("bad JSON" if whole else "truncated JSON")
