"""Duplicates: exact by normalised text, near by MinHash. Of equal samples the one with the smallest id stays.

Hashing runs in Daft over the whole frame. Unusual: buckets are joined on the driver, on 4 bytes a hash, which is
bounded by the number of documents and not by their text; Chinese characters are spaced so that they count as words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from daft import DataFrame

HASHES, BANDS = 64, 16
"""MinHash values of a document, and bands of 4 values: near-copies above about half of their n-grams meet."""
SIMILAR = 0.7
"""Estimated Jaccard similarity of word 5-grams from which documents count as copies (as in arXiv 2107.06499)."""
NGRAM = 5


def exact(frame: DataFrame) -> dict[str, str]:
    """Ids of exact copies (equal `key`), each with the id that stays."""
    from daft import col

    kept = frame.groupby("key").agg(col("id").min().alias("kept"), col("id").count().alias("copies"))
    copies = frame.join(kept.where(col("copies") > 1), on="key").where(col("id") != col("kept"))
    found = copies.select("id", "kept").to_pydict()
    return dict(zip(found["id"], found["kept"], strict=True))


def near(frame: DataFrame) -> dict[str, str]:
    """Ids of near copies (columns `id`, `text`), each with the id that stays."""
    from daft import col

    spaced = col("text").lower().regexp_replace(r"(\p{Han})", " $1 ").regexp_replace(r"\s+", " ")
    hashed = frame.select("id", spaced.minhash(num_hashes=HASHES, ngram_size=NGRAM, seed=1).alias("hashes"))
    found = hashed.sort("id").to_arrow()
    ids = found.column("id").to_pylist()
    if not ids:
        return {}
    hashes_DH = np.stack(found.column("hashes").to_numpy())
    roots = components(hashes_DH)
    return {ids[at]: ids[root] for at, root in enumerate(roots) if at != root}


def components(hashes_DH: npt.NDArray[np.uint32]) -> list[int]:
    """For each document (row) the smallest row of its group of near copies."""
    parent = list(range(len(hashes_DH)))
    rows = HASHES // BANDS
    for band in range(BANDS):
        values = np.ascontiguousarray(hashes_DH[:, band * rows : (band + 1) * rows])
        _, first, where = np.unique(values, axis=0, return_index=True, return_inverse=True)
        for at in np.flatnonzero(first[where.ravel()] != np.arange(len(values))).tolist():
            other = int(first[where.ravel()[at]])
            if np.mean(hashes_DH[at] == hashes_DH[other]) >= SIMILAR:
                _join(parent, at, other)
    return [_root(parent, at) for at in range(len(parent))]


def _root(parent: list[int], at: int) -> int:
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


def _join(parent: list[int], one: int, other: int) -> None:
    low, high = sorted((_root(parent, one), _root(parent, other)))
    parent[high] = low
