"""Duplicates among a few samples in memory: exact by normalised text, near as the data engine finds them.

Of equal samples the one with the smallest id stays. Rows are those that corpus/copies.py compares, by the same hashes;
what is ours here is that n-grams are held, not spilled.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lapis import config
from lapis.data.corpus import copies, minhash, words, world

NEAR = config.Near(similar=0.7, bands=16, rows=4)
"""Jaccard similarity of word 5-grams from which documents count as copies (as in arXiv 2107.06499)."""


def exact(rows: pa.Table) -> dict[str, str]:
    """Ids of exact copies (columns `id`, `key`; equal keys), each with the id that stays."""
    first: dict[str, str] = {}
    pairs = sorted(zip(rows["id"].to_pylist(), rows["key"].to_pylist(), strict=True))
    return {name: first[key] for name, key in pairs if first.setdefault(key, name) != name}


def near(rows: pa.Table) -> dict[str, str]:
    """Ids of near copies (columns `id`, `text`), each with the id that stays."""
    rows = rows.select(["id", "text"]).sort_by("id")
    texts = rows["text"].combine_chunks()
    hashes, ends = words.grams(*words.words(words.spaced(texts)), NEAR.ngram)
    bands = minhash.bands(hashes, ends, NEAR.bands, NEAR.rows)
    columns = ((bands[:, [band]], np.arange(len(texts))) for band in range(NEAR.bands))
    pairs = copies.met(columns, len(texts))
    sets = {at: np.unique(hashes[ends[at] : ends[at + 1]]) for at in np.unique(pairs).tolist()}
    alike = np.array([words.alike(sets[first], sets[later]) for first, later in pairs.tolist()])
    ids = rows["id"].to_pylist()
    return {ids[later]: ids[first] for later, first in world.settled(pairs[alike >= NEAR.similar]).items()}
