"""What training may not have read: evaluation samples by their n-grams of words, and by their pictures.

Text follows GPT-3 (arXiv 2005.14165, appendix C): words without case and punctuation, n-grams of 13; a sample that is
shorter counts as a whole. Ours: a document that shares one leaves altogether; two Chinese characters are a word, as in
the rules of quality, since one name of an office may have 13; and short samples are looked for only where there is no
picture, since `Where is: Save?` says nothing without its screen. Pictures are found by their pixels, photographs also
by perceptual hash, as far apart as copies may be.

Ours too: an n-gram of many evaluation samples is the frame of a prompt and does not count, where more than half of a
set has it, or where the sample has few such n-grams. A passage that many questions are about has many, and counts; one
that more than half of a set is about cannot be told from a frame.

Shape legend: G n-grams, P pairs of n-gram and sample, S evaluation samples, D documents, W words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lapis import config, files
from lapis.data.corpus import evaluations, signatures, words
from lapis.data.corpus.words import Bools, Hashes, Ints

KINDS = ("grams", "wholes", "pixels", "photo")
"""What is looked for: n-grams, whole short samples, pictures' pixels, photographs' hashes."""
SIEVE = 22
"""Bits of the sieve that most n-grams fall through."""
FRAME = 64
"""Most n-grams of a sample that are many samples' for them to be its prompt's frame: about 76 words."""
REASONS = (None, "evaluation text", "evaluation picture")


def write_index(path: Path, sets: Sequence[Path], settings: config.Evaluations, shown: bool) -> dict[str, int]:
    """Write what is looked for, and whose it is, to one `.npz` file; returns how many samples each set has.

    Pictures are read only where `shown` says that there are some to compare. Raises InputError for a set that is not
    there or none.
    """
    found: dict[str, list[tuple[Hashes, Ints]]] = {kind: [] for kind in KINDS}
    known: dict[bytes, dict[str, list[int]]] = {}
    ids: list[str] = []
    sizes: dict[str, int] = {}
    for name, file in zip(evaluations.names(sets), sets, strict=True):
        begin = len(ids)
        for table in evaluations.tables(file):
            owners = np.arange(len(ids), len(ids) + table.num_rows)
            ids += [f"{name} {one}" for one in table["id"].to_pylist()]
            _texts(table, owners, settings, found)
            if shown:
                _pictures(table, owners, found, known)
        sizes[name] = len(ids) - begin
    told = {kind: _once(pieces) for kind, pieces in found.items()}
    told["grams"] = _telling(*told["grams"], np.repeat(np.arange(len(sizes)), [*sizes.values()]), settings.common)
    held = {kind: _first(*pairs) for kind, pairs in told.items()}
    arrays = {kind: hashes for kind, (hashes, _) in held.items()} | {f"{kind}_of": of for kind, (_, of) in held.items()}
    with files.beside(path) as part, part.open("wb") as out:
        np.savez(out, allow_pickle=False, names=np.array(ids or [""]), **arrays)
    return sizes


def _texts(table: pa.Table, owners: Ints, settings: config.Evaluations, found: dict[str, Any]) -> None:
    alone = np.asarray(pc.equal(pc.list_value_length(table["images"]), 0))
    hashes, of, whole = grams(table["text"].combine_chunks(), settings.ngram)
    found["grams"].append((hashes[~whole], owners[of[~whole]]))
    short = whole & alone[of]
    found["wholes"].append((hashes[short], owners[of[short]]))


def grams(texts: pa.Array, size: int) -> tuple[Hashes, Ints, Bools]:
    """Hashes of the texts' n-grams of `size` words, the text of each, and whether it is a whole text of fewer words.

    An n-gram of which half is Chinese has twice as many words, each character being one. A text that has none of either
    sort, as it is too short for the one and half Chinese wherever one would take the other, counts as a whole.
    """
    hashed, ends, han = words.marked(words.bare(texts))
    hashes, of, whole, half = _sized(hashed, ends, han, size)
    others = hashes[~half], of[~half], whole[~half]
    if not han.any():
        return others
    none = np.ones(len(ends) - 1, dtype=np.bool_)
    none[others[1]] = False
    hashes, of, whole, half = _sized(hashed, ends, han, 2 * size)
    kept = half | whole & none[of]
    chinese = hashes[kept], of[kept], whole[kept]
    hashes, of, whole = (np.concatenate(both) for both in zip(others, chinese, strict=True))
    order = np.argsort(of, kind="stable")
    return hashes[order], of[order], whole[order]


def _sized(hashed: Hashes, ends: Ints, han: Bools, size: int) -> tuple[Hashes, Ints, Bools, Bools]:
    """N-grams of one size as `grams` tells them, and which are half Chinese."""
    hashes, begins = words.grams(hashed, ends, size)
    of = np.repeat(np.arange(len(ends) - 1), np.diff(begins))
    first = np.arange(len(hashes)) - begins[of] + ends[of]
    last = np.minimum(first + size, ends[of + 1])
    before = np.concatenate([[0], np.cumsum(han)])
    half = 2 * (before[last] - before[first]) >= last - first
    return hashes, of, np.diff(ends)[of] < size, half


def _pictures(table: pa.Table, owners: Ints, found: dict[str, Any], known: dict[bytes, dict[str, list[int]]]) -> None:
    """Many samples may show one picture; `known` has the hashes of those that were met."""
    rows = table.select(["kind", "turns", "images", "cells"]).to_pylist()
    for row, owner in zip(rows, owners.tolist(), strict=True):
        for image in row["images"]:
            name = hashlib.blake2b(row["kind"].encode() + b"\0" + image, digest_size=16).digest()
            if name not in known:
                known[name] = pictures(row | {"images": [image]})
            for kind, values in known[name].items():
                found[kind].append((np.array(values, dtype=np.uint64), np.full(len(values), owner)))


def pictures(row: dict[str, Any]) -> dict[str, list[int]]:
    """Hashes of each picture of a row by itself."""
    looks = [signatures.look(row | {"images": [image], "cells": "[]"}) for image in row["images"]]
    return {name: [value for look in looks if (value := look[name]) is not None] for name in ("pixels", "photo")}


def _once(pieces: list[tuple[Hashes, Ints]]) -> tuple[Hashes, Ints]:
    """Pairs [P] of a hash and a sample that has it, in order, each once."""
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(one for one, _ in pieces)])
    owners = np.concatenate([np.zeros(0, dtype=np.int64), *(one for _, one in pieces)])
    both = np.unique(np.stack([hashes, owners.astype(np.uint64)], axis=1), axis=0)
    return both[:, 0], both[:, 1].astype(np.int64)


def _first(hashes: Hashes, owners: Ints) -> tuple[Hashes, Ints]:
    """Hashes in order, each once with the first sample that has it."""
    values, first = np.unique(hashes, return_index=True)
    return values, owners[first]


def _telling(hashes: Hashes, owners: Ints, set_of: Ints, most: int) -> tuple[Hashes, Ints]:
    """Pairs [P] without those of a prompt's frame; `set_of` [S] is each sample's set."""
    _, number, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    common = counts[number] > most
    few = np.bincount(owners[common], minlength=len(set_of)) <= FRAME
    own = number * (len(set_of) + 1) + set_of[owners]
    _, place, within = np.unique(own, return_inverse=True, return_counts=True)
    most_of_it = 2 * within[place] > np.bincount(set_of)[set_of[owners]]
    kept = ~(common & (few[owners] | most_of_it))
    return hashes[kept], owners[kept]


class Index:
    """What is looked for, read back."""

    def __init__(self, path: Path, settings: config.Evaluations, distance: int):
        """`distance` is the most bits in which photographs that are the same differ."""
        with np.load(path, allow_pickle=False) as held:
            self.held = {name: held[name] for name in held.files}
        self.settings, self.distance = settings, distance
        self.sieve = np.zeros(1 << SIEVE, dtype=np.bool_)
        self.sieve[self._low(self.held["grams"])] = True

    @staticmethod
    def _low(hashes: Hashes) -> Ints:
        return (hashes & np.uint64((1 << SIEVE) - 1)).astype(np.int64)

    def judge(self, table: pa.Table) -> tuple[pa.Array, list[str | None]]:
        """Why each row leaves, or null; and the evaluation sample that it has read."""
        owners, why = np.full(table.num_rows, -1), np.zeros(table.num_rows, dtype=np.int8)
        alone = np.asarray(pc.equal(pc.list_value_length(table["images"]), 0))
        if len(self.held["grams"]) or len(self.held["wholes"]):
            self._read(table["text"].combine_chunks(), alone, owners, why)
        if len(self.held["pixels"]) and not alone.all():
            self._seen(table, np.flatnonzero(~alone & (why == 0)), owners, why)
        reasons = pa.array(REASONS, pa.string()).take(pa.array(why))
        names = self.held["names"]
        return reasons, [str(names[owner]) if owner >= 0 else None for owner in owners.tolist()]

    def _read(self, texts: pa.Array, alone: Any, owners: Ints, why: Any) -> None:
        hashes, of, whole = grams(texts, self.settings.ngram)
        for kind, chosen in (("grams", ~whole & self.sieve[self._low(hashes)]), ("wholes", whole & alone[of])):
            at = np.flatnonzero(chosen)
            self._mark(kind, hashes[at], of[at], owners, why, 1)

    def _mark(self, kind: str, hashes: Hashes, of: Ints, owners: Ints, why: Any, code: int) -> None:
        known = self.held[kind]
        if not len(known) or not len(hashes):
            return
        place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        hit = np.flatnonzero(known[place] == hashes)[::-1]  # the first of a row is written last
        owners[of[hit]], why[of[hit]] = self.held[f"{kind}_of"][place[hit]], code

    def _seen(self, table: pa.Table, at: Ints, owners: Ints, why: Any) -> None:
        for row in at.tolist():
            shown = pictures(table.select(["kind", "turns", "images", "cells"]).slice(row, 1).to_pylist()[0])
            near = [hash for value in shown["photo"] if (hash := self._nearest(value)) is not None]
            for name, found in (("pixels", shown["pixels"]), ("photo", near)):
                values = np.array(found, dtype=np.uint64)
                self._mark(name, values, np.full(len(values), row), owners, why, 2)

    def _nearest(self, value: int) -> int | None:
        """The hash of an evaluation photograph that is the same."""
        if not len(self.held["photo"]):
            return None
        apart = np.bitwise_count(self.held["photo"] ^ np.uint64(value))
        place = int(apart.argmin())
        return int(self.held["photo"][place]) if apart[place] <= self.distance else None


def indexed(path: Path, sets: Sequence[Path], corpus: config.Corpus, shown: bool) -> Index:
    """What `write_index` wrote of evaluation sets, read back at once."""
    write_index(path, sets, corpus.evaluations, shown)
    return Index(path, corpus.evaluations, corpus.photos.distance)
