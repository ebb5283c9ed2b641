"""Words, terms and lines of a whole column of texts as arrays of places, cut and hashed on their UTF-8 bytes.

Unusual: nothing here is a Python string. Texts are joined by line ends into blocks of half a megabyte, and words are
pairs of places in such a block, so that a rule over a million words is a few passes over arrays. Characters of Chinese
and Japanese are words of their own, as no space parts them.

Shape legend: N bytes of a block, D its documents, W words, L lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

BLOCK = 1 << 19
"""Bytes of a block, unless one document has more."""
PAD = 16
"""Bytes after the last document, so that eight can be read from any place."""
LONGEST = 256
"""Bytes of a word that are hashed; what is longer counts by its beginning and its length."""

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


def _table(*spans: tuple[int, int]) -> Bools:
    """Which of the 256 bytes lie in one of the spans, ends included."""
    byte = np.arange(256)
    return np.logical_or.reduce([(byte >= first) & (byte <= last) for first, last in spans])


ALONE = _table((0xE3, 0xE9), (0xEF, 0xEF))
"""First bytes of what is a word by itself: kana, Chinese characters and their punctuation, full-width forms."""
HAN = _table((0xE4, 0xE9))
"""First bytes of U+4000 to U+9FFF, nearly all Chinese characters."""
SOLID, STANDS, INSIDE, TERM, MARK, LETTER = (np.uint8(1 << bit) for bit in range(6))
"""Classes of bytes: no white space; ALONE; after the first of a character; of terms (letters and digits, not
punctuation); first of punctuation and symbols, whose other bytes are no terms either (of 0xE3 only U+3000 to U+303F);
of a letter."""
_TERM = _table((48, 57), (65, 90), (95, 95), (97, 122), (0x80, 0xBF), (0xC3, 0xE1), (0xE3, 0xED))
_KINDS = (
    ~_table((9, 13), (32, 32)),
    ALONE,
    _table((0x80, 0xBF)),
    _TERM,
    _table((0xC2, 0xC2), (0xE2, 0xE3), (0xEE, 0xF4)),
    _table((65, 90), (97, 122)) | _TERM & _table((0xC3, 0xFF)),
)
_CLASSES = np.packbits(np.stack(_KINDS), axis=0, bitorder="little").tobytes()
_KEEP = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
_ODD, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = np.uint64(32)


def mix(values: Hashes) -> Hashes:
    """Scatter whole numbers over 64 bits (two rounds of multiply and shift, as in MurmurHash3's finaliser)."""
    values = (values ^ values >> _HALF) * _ODD
    return np.asarray((values ^ values >> _HALF) * _OTHER)


@dataclass(frozen=True, slots=True)
class Spans:
    """Words or lines of a block, in order: [start, end) in bytes, and the document of each."""

    start: Places
    end: Places
    document: Places

    def __len__(self) -> int:
        return len(self.start)

    def only(self, kept: Bools) -> Spans:
        """Those that a mask names."""
        return Spans(self.start[kept], self.end[kept], self.document[kept])


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines [L] that have words, and which of them begin a paragraph (after an empty line, or a document's first)."""

    spans: Spans
    word: Places
    """First word of each; the words of a line end where the next line's begin."""
    paragraph: Places
    """Numbers of the lines that begin one."""


@dataclass(frozen=True)
class Block:
    """Documents [D] in one row of bytes [N]: a line end before each, and more after the last."""

    bytes: Bytes
    first: Places
    last: Places
    """Where documents begin and end, [start, end)."""

    @property
    def count(self) -> int:
        return len(self.first)

    @cached_property
    def ascii(self) -> bool:
        """Whether there is nothing but ASCII: every byte is a character, and none stands alone."""
        return bool(self.bytes.max() < 128)

    @cached_property
    def _classes(self) -> Bytes:
        """Classes of every byte: one pass, where a look into a table of numpy's takes longer for each."""
        return np.frombuffer(self.bytes.tobytes().translate(_CLASSES), dtype=np.uint8)

    def are(self, kind: np.uint8) -> Bools:
        """Which bytes are of a class [N]."""
        return np.asarray((self._classes & kind) != 0)

    @cached_property
    def _inside(self) -> npt.NDArray[np.int32]:
        """Of every place, how many bytes before it are not the first of their character [N + 1]."""
        found = np.zeros(len(self.bytes) + 1, dtype=np.int32)
        np.cumsum(self.are(INSIDE), dtype=np.int32, out=found[1:])
        return found

    @cached_property
    def alone(self) -> Places:
        """Places of characters that are words by themselves."""
        found = np.zeros(0, dtype=np.int64) if self.ascii else np.flatnonzero(self.are(STANDS))
        return found[found + 3 < len(self.bytes)]

    @cached_property
    def words(self) -> Spans:
        """Runs without white space, cut at characters that stand alone."""
        return self._spans(self.are(SOLID), self.alone)

    @cached_property
    def runs(self) -> Spans:
        """Runs without white space."""
        return self._spans(self.are(SOLID), self.alone[:0])

    @cached_property
    def terms(self) -> Spans:
        """Runs of letters and digits, without punctuation, cut at characters that stand alone."""
        solid = self.are(TERM)
        marks = self.alone if self.ascii else np.flatnonzero(self.are(MARK))
        marks = marks[(self.bytes[marks] != 0xE3) | (self.bytes[marks + 1] == 0x80)]
        for at in range(4):
            within = marks if at == 0 else marks[_width(self.bytes[marks]) > at]
            solid[within + at] = False
        return self._spans(solid, self.alone[solid[self.alone]])

    @cached_property
    def lines(self) -> Lines:
        """Lines from their first word to their last."""
        ends = np.flatnonzero(self.bytes == 10)
        word = np.searchsorted(self.words.start, ends)
        full = np.flatnonzero(word[1:] > word[:-1])
        document = self.words.document[word[full]]
        fresh = np.diff(full, prepend=-2) > 1
        fresh[1:] |= document[1:] != document[:-1]
        spans = Spans(self.words.start[word[full]], self.words.end[word[full + 1] - 1], document)
        return Lines(spans, word[full], np.flatnonzero(fresh))

    @cached_property
    def size(self) -> Places:
        """Characters of each document [D]."""
        return self.characters(Spans(self.first, self.last, np.arange(self.count)))

    @cached_property
    def lower(self) -> Bytes:
        """The bytes in small letters (ASCII alone)."""
        return np.frombuffer(self.bytes.tobytes().lower(), dtype=np.uint8)

    def characters(self, spans: Spans) -> Places:
        """Characters of each span."""
        length = np.asarray(spans.end - spans.start)
        return length if self.ascii else length - (self._inside[spans.end] - self._inside[spans.start])

    def per(self, places: Places) -> Places:
        """How many of some places in order lie in each document [D]."""
        return np.asarray(np.searchsorted(places, self.last) - np.searchsorted(places, self.first))

    def parts(self, last: Places) -> Block:
        """The documents up to some places in them, as a block of their own."""
        data = memoryview(self.bytes.tobytes())
        pieces = [data[begin:end] for begin, end in zip(self.first.tolist(), last.tolist(), strict=True)]
        ends = np.cumsum(last - self.first + 1)
        joined = b"\n".join((b"", *pieces, b"\n" * PAD))
        return Block(np.frombuffer(joined, dtype=np.uint8), ends - (last - self.first), ends)

    def sums(self, values: Places | Bools) -> Places:
        """Sum of a value of words over each document [D]."""
        total = np.concatenate(([0], np.cumsum(values)))
        starts = self.words.start
        return np.asarray(total[np.searchsorted(starts, self.last)] - total[np.searchsorted(starts, self.first)])

    def documents(self, starts: Places) -> Places:
        """The document of each of some places in order."""
        return np.repeat(np.arange(self.count), self.per(starts))

    def _spans(self, solid: Bools, alone: Places) -> Spans:
        edges = np.flatnonzero(solid[1:] != solid[:-1])
        starts, ends = edges[0::2] + 1, edges[1::2] + 1
        if len(alone):
            begins = np.zeros(len(solid), dtype=bool)
            begins[starts] = begins[alone] = True
            begins[alone + 3] = solid[alone + 3]
            cut = np.flatnonzero(begins)
            following = np.append(cut[1:], len(solid))
            ends = np.minimum(ends[np.searchsorted(ends, cut, side="right")], following)
            starts = cut
        return Spans(starts, ends, self.documents(starts))


def _width(first: Bytes) -> Places:
    """Bytes of the characters that begin with these."""
    return np.searchsorted([0x80, 0xE0, 0xF0], first, side="right") + 1


def hashes(data: Bytes, spans: Spans) -> Hashes:
    """A hash of each span's bytes; equal bytes have equal hashes, in every process."""
    eights: Any = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    length = spans.end - spans.start
    found = mix(eights[spans.start] & _KEEP[np.minimum(length, 8)]) + length.astype(np.uint64)
    more = np.flatnonzero(length > 8)
    for at in range(8, LONGEST, 8):
        if not len(more):
            break
        value = eights[spans.start[more] + at] & _KEEP[np.minimum(length[more] - at, 8)]
        found[more] = mix(found[more] ^ value * _OTHER)
        more = more[length[more] > at + 8]
    return found


def text_hash(text: str, lower: bool = True) -> np.uint64:
    """The hash of one word or term, to look for it."""
    data = (text.encode().lower() if lower else text.encode()) + b"\n" * PAD
    one = np.array([0]), np.array([len(data) - PAD]), np.array([0])
    return np.uint64(hashes(np.frombuffer(data, dtype=np.uint8), Spans(*one))[0])


def grams(words: Hashes, size: int) -> Hashes:
    """A hash of every run of `size` words [W - size + 1], over the borders of documents too."""
    count = max(len(words) - size + 1, 0)
    found = np.zeros(count, dtype=np.uint64)
    for at in range(size):
        found = found * _ODD + words[at : at + count]
    return mix(found)


def joined(parts: Hashes, first: Places) -> Hashes:
    """One hash of each run of parts, in their order; runs begin at `first` and end where the next begins."""
    if not len(parts):
        return parts
    within = np.arange(len(parts)) - np.repeat(first, np.diff(first, append=len(parts)))
    return np.asarray(np.add.reduceat(mix(parts + within.astype(np.uint64) * _OTHER), first))


def grouped(values: Hashes, documents: Places) -> tuple[Places, Bools]:
    """Numbers of the values, equal ones of a document beside each other and in order; and where a new group begins.

    The number stands in the low bits of what is sorted, so that one sort of whole numbers gives the order as well; in
    a block that leaves over 40 bits of the hash.
    """
    low = np.uint64((1 << max(len(values), 2).bit_length()) - 1)
    keys = mix(values + documents.astype(np.uint64) * _OTHER) & ~low | np.arange(len(values), dtype=np.uint64)
    keys.sort()
    order = (keys & low).astype(np.int64)
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = (keys[1:] ^ keys[:-1]) > low
    fresh[1:] |= documents[order[1:]] != documents[order[:-1]]
    return order, fresh


def again(values: Hashes, documents: Places) -> Bools:
    """Which values stood in their document before."""
    order, fresh = grouped(values, documents)
    found = np.zeros(len(values), dtype=bool)
    found[order] = ~fresh
    return found


def blocks(texts: pa.Array | pa.ChunkedArray) -> Iterator[Block]:
    """All documents in order, blocks of about BLOCK bytes; a null counts as an empty text."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        filled = pc.fill_null(chunk, "")
        ends = np.cumsum(pc.binary_length(filled).to_numpy(zero_copy_only=False), dtype=np.int64)
        at = 0
        while at < len(filled):
            before = ends[at - 1] if at else 0
            last = max(int(np.searchsorted(ends, before + BLOCK, side="right")), at + 1)
            yield _block(filled.slice(at, last - at), ends[at:last] - before)
            at = last


def _block(texts: pa.Array, ends: Places) -> Block:
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts.cast(pa.string())), "\n")[0].as_buffer()
    data = np.full(joined.size + 1 + PAD, 10, dtype=np.uint8)
    data[1 : joined.size + 1] = np.frombuffer(joined, dtype=np.uint8)
    last = ends + np.arange(len(texts)) + 1
    return Block(data, np.concatenate(([1], last[:-1] + 1)), last)
