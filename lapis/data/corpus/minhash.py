"""MinHash of documents' n-grams in bands: two documents of like n-grams have an equal hash of some band.

A row of all bands is one hash of every n-gram: its high bits part the n-grams among the bands, and each band has the
least of its own (one permutation hashing: Li, Owen and Zhang, arXiv 1208.1259). So 14 bands of 5 rows take 5 hashes of
an n-gram, not 70. A band that no n-gram fell to borrows another's least in that row, in an order of its own
(densification as in Shrivastava, arXiv 1703.04664), so that short documents meet too.

Shape legend: D documents, G n-grams, B bands.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lapis.data.corpus import words
from lapis.data.corpus.words import Hashes, Ints

_HALF = np.uint64(32)
_NONE = np.uint32(0xFFFFFFFF)
"""Least of no n-grams."""


def bands(hashes_G: Hashes, ends: Ints, count: int, rows: int) -> Hashes:
    """A hash of each of `count` bands of `rows` rows [D, B], of n-grams and where each document's begin [D + 1]."""
    documents = len(ends) - 1
    first = np.repeat(np.arange(documents) * count, np.diff(ends))
    total = np.zeros((documents, count), dtype=np.uint64)
    for factor in words.mixed(np.arange(1, rows + 1, dtype=np.uint64)) | np.uint64(1):
        values = hashes_G * factor >> _HALF
        band = first + (values * np.uint64(count) >> _HALF).view(np.int64)
        least = np.full(documents * count, _NONE)
        np.minimum.at(least, band, values.astype(np.uint32))
        total = total * words.POWER + _filled(least.reshape(documents, count))
    return words.mixed(total)


def _filled(least_DB: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The least hashes, those of empty bands borrowed; a document without n-grams has none."""
    count = least_DB.shape[1]
    order = np.argsort(words.mixed(np.arange(1, count * count + 1, dtype=np.uint64)).reshape(count, count), axis=1)
    filled = least_DB.copy()
    document, band = np.nonzero(least_DB == _NONE)
    for turn in range(count):
        filled[document, band] = least_DB[document, order[band, turn]]
        empty = filled[document, band] == _NONE
        document, band = document[empty], band[empty]
    return filled
