"""Copies over all sources: equal keys, documents of like words, photographs of like looks, screens of equal elements.

Candidates meet in the signatures' columns, which are read one after the other; no text passes through here. Documents
that meet in a band are compared by their true Jaccard similarity, so that precision does not hang on MinHash. Unusual:
a row is a copy only of a row that stays, so that chains of small changes do not pull apart things together.

Shape legend: N rows, P pairs, G n-grams.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data.corpus import signatures, words
from lapis.data.corpus.runner import Runner
from lapis.data.corpus.words import Hashes, Ints
from lapis.data.corpus.world import World, meet, settle
from lapis.types import Embedder

REACH, FAR = 4, 256
"""Neighbours in a band that a document, and a photograph, is compared with, beside the first one."""
PIECES = 4
"""Pieces of a perceptual hash: two that differ in fewer bits than this have an equal one."""
HELD = 8
"""Partitions whose n-grams are held at once."""
BLOCK = 2048
"""Photographs whose embeddings are compared at once."""


def exact(world: World) -> None:
    """Rows whose key stood before."""
    for values, rows in world.columns("key_a", "key_b"):
        order = np.lexsort((rows, *values.T[::-1]))
        values, rows = values[order], rows[order]
        new = np.ones(len(rows), dtype=np.bool_)
        new[1:] = (values[1:] != values[:-1]).any(axis=1)
        firsts = rows[new][np.cumsum(new) - 1] if len(rows) else rows
        world.drop(rows[~new], firsts[~new], "exact copy")


def near(world: World, settings: config.Near, runner: Runner) -> None:
    """Documents of like words."""
    pairs = candidates(world, settings)
    if not len(pairs):
        return
    jobs = _wanted(world, np.unique(pairs), settings.ngram)
    for _ in runner.each("copies:write_grams", jobs):
        pass
    alike = similarities(world, pairs)
    settle(world, pairs[alike >= settings.similar], "near copy")
    for job in jobs:
        Path(job["out"]).unlink()


def candidates(world: World, settings: config.Near) -> Ints:
    """Pairs [P, 2] of documents that meet in a band, each once, in order."""
    rounds = (one for band in signatures.bands(settings) for one in world.columns(band))
    return met(rounds, len(world.why))


def met(rounds: Iterable[tuple[Hashes, Ints]], count: int) -> Ints:
    """Pairs [P, 2] of `count` rows that have equal values in some round, each once, in order."""
    found = np.zeros(0, dtype=np.int64)
    for values, rows in rounds:
        pairs = [first * count + later for first, later in meet(values, rows, REACH)]
        found = np.unique(np.concatenate([found, *pairs]))
    return np.stack([found // max(count, 1), found % max(count, 1)], axis=1)


def _wanted(world: World, rows: Ints, ngram: int) -> list[dict[str, Any]]:
    parts, places = world.place(rows)
    jobs = []
    for number in np.unique(parts).tolist():
        data = world.parts[number].file(world.folder, ".parquet")
        out = str(world.parts[number].file(world.folder, ".grams.npy"))
        jobs.append({"data": str(data), "rows": places[parts == number].tolist(), "ngram": ngram, "out": out})
    return jobs


def write_grams(job: dict[str, Any]) -> dict[str, Any]:
    """Distinct n-grams of some rows of a partition: how many each has, then all of them, in one file."""
    pieces: list[Hashes] = []
    for texts in _columns(Path(job["data"]), np.asarray(job["rows"]), "text"):
        hashes, ends = words.grams(*words.words(words.spaced(texts)), job["ngram"])
        pieces += [np.unique(hashes[begin:end]) for begin, end in zip(ends, ends[1:], strict=False)]
    sizes = np.array([len(piece) for piece in pieces], dtype=np.uint64)
    with files.beside(Path(job["out"]), f".{os.getpid()}") as path, path.open("wb") as file:
        np.save(file, np.concatenate([sizes, *pieces]))
    return {}


def _columns(path: Path, rows: Ints, name: str) -> Iterator[pa.Array]:
    """A column's values of some rows, in order, a row group at a time."""
    begin = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            chosen = rows[(rows >= begin) & (rows < end)] - begin
            if len(chosen):
                yield file.read_row_group(group, [name])[name].take(chosen).combine_chunks()
            begin = end


def similarities(world: World, pairs: Ints) -> np.ndarray[Any, Any]:
    """Jaccard similarity of each pair [P], partition by partition."""
    wanted = np.unique(pairs)
    parts, _ = world.place(wanted)
    begins = np.searchsorted(parts, np.arange(len(world.parts)))

    @lru_cache(maxsize=HELD)
    def held(number: int) -> list[Hashes]:
        path = world.parts[number].file(world.folder, ".grams.npy")
        count = int(np.count_nonzero(parts == number))
        whole: Hashes = np.load(path)
        return np.split(whole[count:], np.cumsum(whole[: count - 1].astype(np.int64)))

    at = np.searchsorted(wanted, pairs)
    of = parts[at]
    alike = np.zeros(len(pairs))
    for pair in np.lexsort((of[:, 0], of[:, 1])).tolist():
        one, other = (held(int(of[pair, side]))[at[pair, side] - begins[of[pair, side]]] for side in (0, 1))
        alike[pair] = words.alike(one, other)
    return alike


def photos(world: World, settings: config.Photos) -> None:
    """Photographs whose perceptual hashes differ in a few bits, and that ask the same."""
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for values, rows in world.columns("prompt", "photo"):
        hashes = dict(zip(rows.tolist(), values[:, 1].tolist(), strict=True))
        for piece in range(PIECES):
            part = values[:, 1] >> np.uint64(16 * piece) & np.uint64(0xFFFF)
            for first, later in meet(np.stack([values[:, 0], part], axis=1), rows, FAR):
                both = zip(first.tolist(), later.tolist(), strict=True)
                near = [pair for pair in both if (hashes[pair[0]] ^ hashes[pair[1]]).bit_count() <= settings.distance]
                pairs.append(np.array(near, dtype=np.int64).reshape(-1, 2))
    settle(world, np.unique(np.concatenate(pairs), axis=0), "same photograph")


def screens(world: World) -> None:
    """Pictures of equal pixels, and screens of equal elements, that ask the same."""
    for column, reason in (("pixels", "same pixels"), ("elements", "same elements")):
        for values, rows in world.columns("prompt", column):
            for first, later in meet(values, rows, 0):
                settle(world, np.stack([first, later], axis=1), reason)


def looks(world: World, settings: config.Photos, embedder: Embedder) -> None:
    """Photographs whose embeddings lie close, and that ask the same: of each row with the rows before it, in blocks.

    Work grows with the square of the photographs that stay (100,000 of 256 values: 10^12 products).
    """
    rows, prompts, units = _embedded(world, embedder)
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for begin in range(0, len(rows), BLOCK):
        for other in range(0, begin + BLOCK, BLOCK):
            close = units[other : other + BLOCK] @ units[begin : begin + BLOCK].T >= settings.cosine
            close &= prompts[other : other + BLOCK, None] == prompts[None, begin : begin + BLOCK]
            first, later = np.nonzero(close)
            met = np.stack([rows[other + first], rows[begin + later]], axis=1)
            pairs.append(met[met[:, 0] < met[:, 1]])
    settle(world, np.concatenate(pairs), "same look")


def _embedded(world: World, embedder: Embedder) -> tuple[Ints, Hashes, np.ndarray[Any, Any]]:
    """Rows, prompts and unit vectors of the photographs that stay, in order."""
    found = list(world.columns("prompt", "photo"))
    rows = np.concatenate([one for _, one in found])
    prompts = np.concatenate([values[:, 0] for values, _ in found])
    order = np.argsort(rows)
    rows, prompts = rows[order], prompts[order]
    parts, places = world.place(rows)
    made = [np.zeros((0, 0), dtype=np.float32)]
    for number in np.unique(parts).tolist():
        path = world.parts[number].file(world.folder, ".parquet")
        for images in _columns(path, places[parts == number], "images"):
            made.append(np.asarray(embedder.embed([one[0] for one in images.to_pylist()]), dtype=np.float32))
    return rows, prompts, np.concatenate(made[1:]) if len(made) > 1 else made[0]
