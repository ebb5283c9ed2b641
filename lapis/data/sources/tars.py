"""Members of a tar, read one after another in bounded memory, on past damaged headers; nothing is unpacked to disk.

Python's `tarfile` parses a header; the walk is ours, since `tarfile` keeps every member in memory, reads headers of
any length whole, and ends at a damaged one.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lapis.data.sources.base import Bad
from lapis.data.sources.lines import LONGEST
from lapis.data.sources.places import climbs

BLOCK = 512
_LONGEST_NAME = 1 << 16


@dataclass(slots=True)
class Member:
    """One member: where its headers begin, its name, its bytes, and what is bad about it."""

    offset: int
    name: str
    data: bytes = b""
    bad: str = ""


def members(file: BinaryIO, offset: int = 0, last: int | None = None, contents: bool = True) -> Iterator[Member]:
    """Files of a tar from a header at `offset` on, to before `last`; without `contents` their bytes are passed over.

    A damaged stretch is one member without name, a member that is cut short the last. Raises Bad where the packing is
    damaged between members.
    """
    return _Walk(file, offset, last, contents).members()


class _Walk:
    def __init__(self, file: BinaryIO, offset: int, last: int | None, contents: bool):
        self.file, self.at, self.last, self.contents = file, offset, last, contents
        self.extended: dict[str, str] = {}
        """What headers before a member's own say of it: `path`, `size`."""
        self.begun: int | None = None
        """Where those headers begin."""
        if offset:
            file.seek(offset)

    def members(self) -> Iterator[Member]:
        lost = False
        while self.last is None or self.at < self.last or self.begun is not None:
            start, head = self.at, self._take(BLOCK, whole=False)
            if not head:
                return
            if len(head) < BLOCK:
                yield Member(start, head[:100].partition(b"\0")[0].decode(errors="replace"), bad="truncated tar")
                return
            if not head.strip(b"\0"):
                continue
            try:
                info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
                if info.size < 0:
                    raise ValueError
            except (tarfile.HeaderError, ValueError):
                if not lost:
                    yield Member(start, "", bad="damaged tar header")
                lost, self.begun = True, None
                self.extended.clear()
                continue
            lost = False
            yield from self._member(start, info)

    def _member(self, start: int, info: tarfile.TarInfo) -> Iterator[Member]:
        begun = start if self.begun is None else self.begun
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            self.begun = begun
            self._extend(info)
            return
        name = self.extended.pop("path", info.name)
        size = int(found) if (found := self.extended.pop("size", "")).isdecimal() and len(found) < 16 else info.size
        self.extended.clear()
        self.begun = None
        if info.isdir() or info.type == tarfile.XGLTYPE:
            self._pass(size)
            return
        member = Member(begun, name, bad=_fault(info, name, size))
        if member.bad or not self.contents:
            self._pass(0 if info.issym() or info.islnk() else size)
        else:
            try:
                member.data = self._take(size)
                self._take(-size % BLOCK, whole=False)
            except Bad as bad:
                member.bad = bad.reason
        yield member

    def _extend(self, info: tarfile.TarInfo) -> None:
        if info.size > _LONGEST_NAME:
            self._pass(info.size)
            return
        data = self._take(info.size)
        self._take(-info.size % BLOCK)
        if info.type == tarfile.GNUTYPE_LONGNAME:
            self.extended["path"] = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif info.type != tarfile.GNUTYPE_LONGLINK:
            self.extended |= dict(_pax(data))

    def _take(self, size: int, whole: bool = True) -> bytes:
        data = self.file.read(size)
        self.at += len(data)
        if whole and len(data) < size:
            raise Bad("truncated tar")
        return data

    def _pass(self, size: int) -> None:
        left = size + -size % BLOCK
        if self.file.seekable():
            self.file.seek(left, 1)
            self.at += left
            return
        while left > 0:
            left -= len(self._take(min(left, 1 << 20)))


def _fault(info: tarfile.TarInfo, name: str, size: int) -> str:
    if not info.isreg() or info.type == tarfile.GNUTYPE_SPARSE:
        return "link in a tar" if info.issym() or info.islnk() else "no file in a tar"
    try:
        climbs(name)
    except Bad as bad:
        return bad.reason
    return "too long" if size > LONGEST else ""


def _pax(data: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a pax header: `LENGTH KEY=VALUE` and a line end each."""
    while data:
        length, _, _ = data.partition(b" ")
        size = int(length) if length.isdigit() and len(length) < 8 else 0
        if size <= len(length) + 1:
            return
        key, _, value = data[len(length) + 1 : size].removesuffix(b"\n").partition(b"=")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        data = data[size:]
