"""All rows of all partitions as one numbered sequence, of which the driver holds a few bytes a row.

Rows are numbered in the order of the sources, their partitions and their records; of copies the first one stays, so
the source that a recipe names first wins.

Shape legend: N rows, P pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from lapis.data.corpus.plan import Part
from lapis.data.corpus.words import Hashes, Ints

ROUND = 1 << 18
"""Rows whose hashes are held at once; more are joined in several rounds, each over a part of the hashes' range, of what
the partitions' files hold. Memory then stays as it is from here on, and each round reads 8 bytes a row."""
REASONS = ("", "exact copy", "near copy", "same photograph", "same look", "same pixels", "same elements")
"""Why a row is dropped here, by its code."""
STEPS = {"exact copy": "exact", "near copy": "near"}
"""Step of a reason; that of the others is `looks`."""


@dataclass(slots=True)
class World:
    """The rows, and which of them are gone."""

    folder: Path
    parts: Sequence[Part]
    starts: Ints = field(init=False)
    """Number of each partition's first row, and of all rows last."""
    why: npt.NDArray[np.int8] = field(init=False)
    """[N] code of the reason, 0 where a row stays."""
    other: Ints = field(init=False)
    """[N] row that stays in its place, -1 where it stays itself."""
    told: list[dict[str, Any]] = field(init=False)
    """What each partition wrote of itself, without its broken records."""

    def __post_init__(self) -> None:
        self.told = [_told(part.file(self.folder, ".json")) for part in self.parts]
        self.starts = np.cumsum([0, *(one["rows"] for one in self.told)])
        self.why = np.zeros(self.starts[-1], dtype=np.int8)
        self.other = np.full(self.starts[-1], -1, dtype=np.int64)

    @property
    def pictures(self) -> bool:
        """Whether any row has one."""
        return any(one["pictures"] for one in self.told)

    def drop(self, rows: Ints, others: Ints, reason: str) -> None:
        """Rows leave, each because of another one that stays."""
        self.why[rows] = REASONS.index(reason)
        self.other[rows] = others

    def of_part(self, number: int) -> slice:
        """A partition's rows."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def place(self, rows: Ints) -> tuple[Ints, Ints]:
        """Partition of each row, and its place there."""
        parts = np.searchsorted(self.starts, rows, side="right") - 1
        return parts, rows - self.starts[parts]

    def columns(self, *names: str) -> Iterator[tuple[Hashes, Ints]]:
        """(values [N', columns], rows [N']) of the rows that stay and have all these hashes, in rounds.

        Equal values in the first column come in the same round.
        """
        rounds = -(-len(self.why) // ROUND) or 1
        for turn in range(rounds):
            none = np.zeros((0, len(names)), dtype=np.uint64), np.zeros(0, dtype=np.int64)
            pieces = [none, *(self._column(number, names, turn, rounds) for number in range(len(self.parts)))]
            yield np.concatenate([values for values, _ in pieces]), np.concatenate([rows for _, rows in pieces])

    def _column(self, number: int, names: Sequence[str], turn: int, rounds: int) -> tuple[Hashes, Ints]:
        if not self.told[number]["rows"]:
            return np.zeros((0, len(names)), dtype=np.uint64), np.zeros(0, dtype=np.int64)
        table = pq.read_table(self.parts[number].file(self.folder, ".signs.parquet"), columns=list(names))
        there = self.why[self.of_part(number)] == 0
        values = np.empty((table.num_rows, len(names)), dtype=np.uint64)
        for column, name in enumerate(names):
            there &= np.asarray(table[name].is_valid())
            values[:, column] = np.asarray(table[name].fill_null(0))
        # Mixed hashes are even over their range, so that a range is as good as a share.
        there &= (values[:, 0] >> np.uint64(32)) * np.uint64(rounds) >> np.uint64(32) == np.uint64(turn)
        at = np.flatnonzero(there)
        return values[at], at + self.starts[number]

    def ids(self, rows: Ints) -> list[str]:
        """Ids of a few rows."""
        parts, places = self.place(rows)
        found = [""] * len(rows)
        for number in np.unique(parts).tolist():
            chosen = np.flatnonzero(parts == number)
            column = pq.read_table(self.parts[number].file(self.folder, ".signs.parquet"), columns=["id"])["id"]
            for at, name in zip(chosen.tolist(), column.take(places[chosen]).to_pylist(), strict=True):
                found[at] = name
        return found


def _told(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del told["broken"]
    return told


def meet(values: Hashes, rows: Ints, reach: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs (earlier row, later row) with equal values [N, columns]: each row with the first of its group and with
    the `reach` ones before it."""
    order = np.lexsort((rows, *values.T[::-1]))
    values, rows = values[order], rows[order]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (values[1:] != values[:-1]).any(axis=1)
    first = np.flatnonzero(new)[np.cumsum(new) - 1] if len(rows) else np.zeros(0, dtype=np.int64)
    behind = np.arange(len(rows)) - first
    for back in range(1, reach + 1):
        at = np.flatnonzero(behind >= back)
        if not len(at):
            return
        yield rows[at - back], rows[at]
    at = np.flatnonzero(behind > reach)
    yield rows[first[at]], rows[at]


def settle(world: World, pairs: Ints, reason: str) -> None:
    """Of pairs [P, 2] of copies (earlier, later) drop each later row whose earlier one stays."""
    gone = settled(pairs)
    world.drop(np.array(list(gone), dtype=np.int64), np.array(list(gone.values()), dtype=np.int64), reason)


def settled(pairs: Ints) -> dict[int, int]:
    """Of pairs [P, 2] of copies (earlier, later) each later row whose earlier one stays, in order, to that one."""
    gone: dict[int, int] = {}
    for first, later in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if first not in gone and later not in gone:
            gone[later] = first
    return gone
