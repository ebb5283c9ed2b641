"""Words of many texts at once as 64-bit hashes, and their n-grams: what copies and evaluation samples are found by.

A word is what white space parts, in small letters; a Chinese character is a word. Unusual: words are places in blocks
of bytes (lapis/data/measure.py) and n-grams sums of powers over them, so that no text is walked through in Python.

Shape legend: D documents, W words, G n-grams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import measure

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
POWER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no word's hash is lost in a product (the golden ratio, as in splitmix64)."""
_NO_WORDS = np.zeros(0, dtype=np.uint64)
_SPACES = r"\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"
"""RE2: spaces (Zs) that are not ASCII."""


def spaced(texts: pa.Array) -> pa.Array:
    """Texts in small letters, with spaces around Chinese characters and for all other sorts of space."""
    if pc.all(pc.string_is_ascii(texts)).as_py():
        return pc.ascii_lower(texts)
    texts = pc.utf8_lower(texts)
    parted = pc.match_substring_regex(texts, rf"\p{{Han}}|[{_SPACES}]")
    some = pc.replace_substring_regex(texts.filter(parted), f"[{_SPACES}]", " ")
    return pc.replace_with_mask(texts, parted, pc.replace_substring_regex(some, r"(\p{Han})", r" \1 "))


def bare(texts: pa.Array) -> pa.Array:
    """Texts as `spaced` with letters and digits alone: what stands between them counts as space."""
    return pc.replace_substring_regex(spaced(texts), r"[^\p{L}\p{N}\p{M}]+", " ")


def words(texts: pa.Array) -> tuple[Hashes, Ints]:
    """Hashes [W] of the words of spaced texts [D], and where each text's words begin [D + 1]."""
    hashes, ends, _ = marked(texts)
    return hashes, ends


def marked(texts: pa.Array) -> tuple[Hashes, Ints, Bools]:
    """The same, and which words are Chinese characters [W]."""
    found = list(_cut(texts))
    counts = [np.diff(ends) for _, ends, _ in found]
    hashes = np.concatenate([_NO_WORDS, *(hashes for hashes, _, _ in found)])
    han = np.concatenate([np.zeros(0, dtype=np.bool_), *(han for _, _, han in found)])
    return hashes, np.cumsum(np.concatenate([[0], *counts])), han


def cut(texts: pa.Array) -> Iterator[tuple[Hashes, Ints]]:
    """Words of some texts after the others: of as many as stay in a processor's cache."""
    yield from ((hashes, ends) for hashes, ends, _ in _cut(texts))


def _cut(texts: pa.Array) -> Iterator[tuple[Hashes, Ints, Bools]]:
    for block in measure.blocks(texts):
        spans = block.runs
        hashes = measure.hashes(block.bytes, spans)
        for at in np.flatnonzero(spans.end - spans.start > measure.LONGEST).tolist():
            hashes[at] = _digest(block.bytes[spans.start[at] : spans.end[at]].tobytes())
        ends = np.append(np.searchsorted(spans.start, block.first), len(spans))
        yield hashes, ends, measure.HAN[block.bytes[spans.start]]


def _digest(word: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "little")


def grams(hashes_W: Hashes, ends: Ints, size: int) -> tuple[Hashes, Ints]:
    """Hashes [G] of each text's n-grams of `size` words, and where each text's begin [D + 1].

    A text of fewer words is one n-gram as a whole; one without words has none.
    """
    lengths = np.diff(ends)
    rolled = _rolled(hashes_W, size)
    last = np.repeat(ends[1:], lengths)
    begins = np.arange(len(hashes_W)) + size <= last
    for short in np.unique(lengths[(lengths > 0) & (lengths < size)]):
        at = ends[:-1][lengths == short]
        rolled[at] = _rolled(hashes_W, int(short))[at]
        begins[at] = True
    counts = np.where(lengths >= size, lengths - size + 1, np.minimum(lengths, 1))
    return rolled[begins], np.concatenate([[0], np.cumsum(counts)])


def _rolled(hashes_W: Hashes, size: int) -> Hashes:
    """Of each word the hash of the n-gram that begins with it: a polynomial over the words' hashes modulo 2^64."""
    padded = np.concatenate([hashes_W, np.zeros(size, dtype=np.uint64)])
    total = np.zeros(len(hashes_W), dtype=np.uint64)
    for step in range(size):
        total = total * POWER + padded[step : step + len(hashes_W)]
    return mixed(total + np.uint64(size))


def mixed(values: Hashes) -> Hashes:
    """splitmix64's last steps: every bit of the outcome hangs on every bit of the value."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def alike(one: Hashes, other: Hashes) -> float:
    """Jaccard similarity of two sets of hashes, each sorted and without repeats."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(len(one) + len(other) - both, 1)
