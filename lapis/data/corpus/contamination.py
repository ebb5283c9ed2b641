"""What training may not have read: evaluation samples by their n-grams of words, and by their pictures.

Text follows GPT-3 (arXiv 2005.14165, appendix C): words without case and punctuation, n-grams of 13; a sample that is
shorter counts as a whole. Ours: a document that shares one leaves altogether, an n-gram of many evaluation samples is
the frame of a prompt and does not count, and short samples are looked for only where there is no picture, since `Where
is: Save?` says nothing without its screen. Pictures are found by their pixels, photographs also by perceptual hash.

Shape legend: G n-grams, S evaluation samples, D documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data import store
from lapis.data.corpus import columns, rows, signatures, words
from lapis.data.corpus.words import Hashes, Ints
from lapis.types import InputError

KINDS = ("grams", "wholes", "pixels", "photo")
"""What is looked for: n-grams, whole short samples, pictures' pixels, photographs' hashes."""
SIEVE = 22
"""Bits of the sieve that most n-grams fall through."""
ROWS = 512


def write_index(path: Path, sets: Sequence[Path], settings: config.Evaluations, pictures: bool) -> int:
    """Write what is looked for, and whose it is, to one `.npz` file; returns how many samples there are.

    Pictures are read only where `pictures` says that there are some to compare. Raises InputError for a set that is
    not there or none.
    """
    found: dict[str, list[tuple[Hashes, Ints]]] = {kind: [] for kind in KINDS}
    told: dict[str, Any] = {}
    names: list[str] = []
    for file in sets:
        for table in _tables(file):
            owners = np.arange(len(names), len(names) + table.num_rows)
            names += [f"{file.stem} {name}" for name in table["id"].to_pylist()]
            _texts(table, owners, settings, found)
            if pictures:
                _pictures(table, owners, found)
    for kind, pieces in found.items():
        told[kind], told[f"{kind}_of"] = _rare(pieces, settings.common if kind == "grams" else None)
    with files.beside(path) as part, part.open("wb") as out:
        np.savez(out, allow_pickle=False, names=np.array(names or [""]), **told)
    return len(names)


def _tables(path: Path) -> Iterator[pa.Table]:
    """Rows of an evaluation set: id, kind, document, text, turns, images, cells."""
    if path.suffix == ".parquet":
        for group in range(store.groups(path)):
            with pq.ParquetFile(path) as file:
                yield file.read_row_group(group)
        return
    yield _of_lines(path)


def _of_lines(path: Path) -> pa.Table:
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        texts = [record["text"] for record in records]
    except FileNotFoundError:
        raise InputError(f"{path}: no evaluation set there") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no evaluation set; expected JSON lines with `text`, or Parquet of samples") from None
    return rows.finish(
        rows.documents(dict(zip(columns.COLUMNS, (texts, *(4 * [[""] * len(texts)])), strict=True)), "prose")
    )


def _texts(table: pa.Table, owners: Ints, settings: config.Evaluations, found: dict[str, Any]) -> None:
    texts = table["text"].combine_chunks()
    hashes, ends = words.grams(*words.words(words.bare(texts)), settings.ngram)
    lengths = np.diff(words.words(words.bare(texts))[1])
    long = lengths >= settings.ngram
    each = np.repeat(long, np.diff(ends))
    of = np.repeat(owners, np.diff(ends))
    found["grams"].append((hashes[each], of[each]))
    alone = np.asarray(pc.equal(pc.list_value_length(table["images"]), 0))[of - owners[0]] if len(owners) else each
    found["wholes"].append((hashes[~each & alone], of[~each & alone]))


def _pictures(table: pa.Table, owners: Ints, found: dict[str, Any]) -> None:
    shown = table.select(["kind", "turns", "images", "cells"]).to_pylist()
    for row, owner in zip(shown, owners.tolist(), strict=True):
        for name, value in pictures(row).items():
            found[name].append((np.array(value, dtype=np.uint64), np.full(len(value), owner)))


def pictures(row: dict[str, Any]) -> dict[str, list[int]]:
    """Hashes of each picture of a row by itself."""
    looks = [signatures.look(row | {"images": [image], "cells": "[]"}) for image in row["images"]]
    return {name: [value for look in looks if (value := look[name]) is not None] for name in ("pixels", "photo")}


def _rare(pieces: list[tuple[Hashes, Ints]], most: int | None) -> tuple[Hashes, Ints]:
    """Hashes in order, each once with the first sample that has it; without those of more than `most` samples."""
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(one for one, _ in pieces)])
    owners = np.concatenate([np.zeros(0, dtype=np.int64), *(one for _, one in pieces)])
    both = np.unique(np.stack([hashes, owners.astype(np.uint64)], axis=1), axis=0)
    values, first, counts = np.unique(both[:, 0], return_index=True, return_counts=True)
    kept = counts <= most if most is not None else np.ones(len(values), dtype=np.bool_)
    return values[kept], both[first[kept], 1].astype(np.int64)


class Index:
    """What is looked for, read back."""

    def __init__(self, path: Path, settings: config.Evaluations):
        with np.load(path, allow_pickle=False) as held:
            self.held = {name: held[name] for name in held.files}
        self.settings = settings
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
        reasons = pa.array([None, "evaluation text", "evaluation picture"], pa.string()).take(pa.array(why))
        names = self.held["names"]
        return reasons, [str(names[owner]) if owner >= 0 else None for owner in owners.tolist()]

    def _read(self, texts: pa.Array, alone: Any, owners: Ints, why: Any) -> None:
        hashed, word_ends = words.words(words.bare(texts))
        hashes, ends = words.grams(hashed, word_ends, self.settings.ngram)
        of = np.repeat(np.arange(len(texts)), np.diff(ends))
        short = (np.diff(word_ends) < self.settings.ngram)[of]
        for kind, chosen in (("grams", ~short & self.sieve[self._low(hashes)]), ("wholes", short & alone[of])):
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
            for name in ("pixels", "photo"):
                values = np.array(shown[name], dtype=np.uint64)
                self._mark(name, values, np.full(len(values), row), owners, why, 2)
