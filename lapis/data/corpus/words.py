"""Words of many texts at once as 64-bit hashes, and their n-grams: what copies and evaluation samples are found by.

A word is what white space parts, in small letters; a Chinese character is a word. Unusual: a batch's words are hashed
once a different word, and n-grams are sums of powers over the whole batch, so that no text is walked through in Python.

Shape legend: D documents, W words, G n-grams.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
POWER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no word's hash is lost in a product (the golden ratio, as in splitmix64)."""


def spaced(texts: pa.Array) -> pa.Array:
    """Texts in small letters, with spaces around Chinese characters and for all other sorts of space."""
    texts = pc.utf8_lower(texts)
    if pc.all(pc.string_is_ascii(texts)).as_py():
        return texts
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, r"\p{Zs}", " "), r"(\p{Han})", r" \1 ")


def bare(texts: pa.Array) -> pa.Array:
    """Texts as `spaced` with letters and digits alone: what stands between them counts as space."""
    return pc.replace_substring_regex(spaced(texts), r"[^\p{L}\p{N}\p{M}]+", " ")


def words(texts: pa.Array) -> tuple[Hashes, Ints]:
    """Hashes [W] of the words of spaced texts [D], and where each text's words begin [D + 1]."""
    lists = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(texts))
    flat = lists.flatten()
    ends = np.asarray(lists.offsets, dtype=np.int64)
    ends = ends - ends[0]
    full = np.asarray(pc.not_equal(flat, ""))
    if not full.all():
        ends = np.concatenate([[0], np.cumsum(full)])[ends]
        flat = flat.filter(pa.array(full))
    coded = flat.dictionary_encode()
    known = coded.dictionary.cast(pa.binary()).to_pylist()
    each = np.frombuffer(b"".join(_digest(word) for word in known), dtype="<u8").astype(np.uint64)
    return each[np.asarray(coded.indices)] if len(flat) else each, ends


def _digest(word: bytes) -> bytes:
    return hashlib.blake2b(word, digest_size=8).digest()


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
