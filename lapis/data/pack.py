"""The plan of a stage: which samples lie in which row of which step, from lengths alone.

Rows are filled under two budgets at once, tokens of a row and tiles of a step, by best-fit-decreasing inside a window
of steps; what does not fit waits for the next window, and is placed first there. The plan is a pure function of
(index, mixture, seed), and a longer plan begins with the shorter one, so that resuming needs the step's number only.

Shape legend: P pieces (samples, or row-sized parts of documents), R rows of a window.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lapis import config, files
from lapis.data.mixture import Mixture, Stream, belongs, match
from lapis.types import InputError

WINDOW_ROWS = 256
"""Rows that are packed together: enough for the fit, few enough that a sample does not wait long."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """What can be placed in a row."""

    sample: Ints
    """[P] number of the sample."""
    start: Ints
    """[P] first token."""
    length: Ints
    """[P] tokens."""
    tiles: Ints
    """[P] tiles."""
    kind: Ints
    """[P] number of the kind."""
    left_out: dict[str, int]
    """Samples per kind that fit in no row."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows of pieces for every step."""

    pieces: Ints
    """Piece numbers, row after row."""
    starts: Ints
    """[steps * rows + 1] where each row begins in `pieces`."""
    rows: int
    passes: dict[str, float]
    """Passes drawn over each mixture entry; 0 for an entry without samples."""

    @property
    def steps(self) -> int:
        return (len(self.starts) - 1) // self.rows

    def row(self, step: int, row: int) -> Ints:
        """Piece numbers of one row."""
        at = step * self.rows + row
        return self.pieces[self.starts[at] : self.starts[at + 1]]


def cut_pieces(
    lengths: Ints, tiles: Ints, kind: Ints, documents: npt.NDArray[np.bool_], kinds: tuple[str, ...], pack: config.Pack
) -> Pieces:
    """Samples as pieces: documents are split to the row's length, conversations that fit in no row are left out."""
    fits = (tiles <= pack.tiles) & (documents | (lengths <= pack.row_tokens)) & (lengths > 1)
    counts = np.where(fits, np.maximum(-(-lengths // pack.row_tokens), 1), 0)
    sample = np.repeat(np.arange(len(lengths)), counts)
    within = np.arange(len(sample)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = within * pack.row_tokens
    length = np.minimum(lengths[sample] - start, pack.row_tokens)
    useful = length > 1
    sample, start, length = sample[useful], start[useful], length[useful]
    left = np.bincount(kind[~fits], minlength=len(kinds))
    left_out = {name: int(count) for name, count in zip(kinds, left, strict=True) if count}
    return Pieces(sample, start, length, tiles[sample], kind[sample], left_out)


def make_plan(
    pieces: Pieces,
    kinds: tuple[str, ...],
    mixture: Mapping[str, float],
    epochs: Mapping[str, int],
    pack: config.Pack,
    steps: int,
    seed: int,
) -> Plan:
    """Pack `steps` steps; fewer where every kind reached its most passes.

    Raises InputError where the mixture names no kind that has samples.
    """
    streams = _streams(pieces, kinds, mixture, epochs)
    if not any(len(stream.members) for stream in streams if stream.weight > 0):
        here = ", ".join(kinds) or "none"
        raise InputError(f"mixture: no samples of {', '.join(mixture)} fit a row; here are {here}")
    order = Mixture(streams, seed)
    rows: list[list[int]] = []
    waiting = np.zeros(0, dtype=np.int64)
    window = 0
    while len(rows) < steps * pack.rows:
        pending, fresh = _fill(order, waiting, pieces, pack)
        if not len(pending):
            break
        filled, waiting = _pack(pending, fresh, pieces, pack, seed + window)
        rows += filled
        window += 1
    return _plan(rows[: steps * pack.rows], pack.rows, streams)


def _streams(
    pieces: Pieces, kinds: tuple[str, ...], mixture: Mapping[str, float], epochs: Mapping[str, int]
) -> list[Stream]:
    """One stream per mixture entry and per cap under it, which share the entry's weight by their sizes."""
    owner = [match(kind, mixture) for kind in kinds]
    cap = [match(kind, epochs) for kind in kinds]
    streams = []
    for prefix, weight in mixture.items():
        caps = sorted({cap[n] or "" for n in range(len(kinds)) if owner[n] == prefix}) or [""]
        parts = [[n for n in range(len(kinds)) if owner[n] == prefix and (cap[n] or "") == name] for name in caps]
        members = [np.flatnonzero(np.isin(pieces.kind, part)) for part in parts]
        total = max(sum(len(part) for part in members), 1)
        for name, part in zip(caps, members, strict=True):
            share = weight * len(part) / total if len(part) else 0.0
            label = name if belongs(name, prefix) else prefix
            streams.append(Stream(label, share, part, float(epochs[name]) if name else float("inf")))
    return streams


def _window(pack: config.Pack) -> int:
    """Most steps of a window."""
    return -(-WINDOW_ROWS // pack.rows)


def _steps(pending: Ints, pieces: Pieces, pack: config.Pack) -> int:
    """Steps that a window needs: all of them, but fewer at the end of the data, so that no step is left thin."""
    by_tokens = -(-int(pieces.length[pending].sum()) // (pack.rows * pack.row_tokens))
    by_tiles = -(-int(pieces.tiles[pending].sum()) // max(pack.tiles, 1))
    return min(max(by_tokens, by_tiles, 1), _window(pack))


def _fill(order: Mixture, waiting: Ints, pieces: Pieces, pack: config.Pack) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Draw until a window's tokens or tiles are reached; also says which pieces did not wait before."""
    tokens = _window(pack) * pack.rows * pack.row_tokens
    tiles = _window(pack) * pack.tiles
    parts = [waiting]
    free_tokens = tokens - int(pieces.length[waiting].sum())
    free_tiles = tiles - int(pieces.tiles[waiting].sum())
    while free_tokens > 0 and free_tiles >= 0:
        drawn = order.draw(64)
        if not len(drawn):
            break
        parts.append(drawn)
        free_tokens -= int(pieces.length[drawn].sum())
        free_tiles -= int(pieces.tiles[drawn].sum())
    pending = np.concatenate(parts)
    return pending, np.arange(len(pending)) >= len(waiting)


def _pack(
    pending: Ints, fresh: npt.NDArray[np.bool_], pieces: Pieces, pack: config.Pack, seed: int
) -> tuple[list[list[int]], Ints]:
    """Best-fit-decreasing into a window's rows. Returns the rows and what did not fit.

    Rows take their steps in a shuffled order, so that long samples do not gather in the first steps.
    """
    count = _steps(pending, pieces, pack) * pack.rows
    step = np.random.default_rng([seed, count]).permutation(count) // pack.rows
    tokens = np.full(count, pack.row_tokens, dtype=np.int64)
    tiles = np.full(count, pack.tiles, dtype=np.int64)
    rows: list[list[int]] = [[] for _ in range(count)]
    order = np.lexsort((-pieces.tiles[pending], -pieces.length[pending], fresh))
    left = []
    for piece in pending[order].tolist():
        length, many = pieces.length[piece], pieces.tiles[piece]
        room = np.where((tokens >= length) & (tiles >= many), tokens, pack.row_tokens + 1)
        best = int(room.argmin())
        if room[best] > pack.row_tokens:
            left.append(piece)
            continue
        rows[best].append(piece)
        tokens[best] -= length
        if many:
            tiles[step == step[best]] -= many
    by_step = np.argsort(step, kind="stable")
    return [rows[at] for at in by_step], np.asarray(left, dtype=np.int64)


def pack_once(pieces: Pieces, pack: config.Pack) -> Iterator[list[list[int]]]:
    """Every piece once, longest first, as steps of rows."""
    pending = np.arange(len(pieces.sample))
    while len(pending):
        rows, pending = _pack(pending, np.ones(len(pending), bool), pieces, pack, 0)
        for at in range(0, len(rows), pack.rows):
            if any(step := rows[at : at + pack.rows]):
                yield step


def _plan(rows: list[list[int]], rows_per_step: int, streams: list[Stream]) -> Plan:
    starts = np.cumsum([0, *(len(row) for row in rows)])
    flat = np.asarray([piece for row in rows for piece in row], dtype=np.int64)
    passes = {stream.name: stream.drawn / max(len(stream.members), 1) for stream in streams}
    return Plan(flat, starts, rows_per_step, passes)


def plan_name(*parts: object) -> str:
    """Name of a plan's file, from everything that the plan depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24] + ".npz"


def save_plan(path: Path, plan: Plan) -> None:
    """Write a plan beside, then rename."""
    with files.beside(path, f".{os.getpid()}") as part, part.open("wb") as file:
        np.savez(file, pieces=plan.pieces, starts=plan.starts, rows=plan.rows, passes=json.dumps(plan.passes))


def load_plan(path: Path) -> Plan:
    """A plan that `save_plan` wrote."""
    with np.load(path, allow_pickle=False) as saved:
        return Plan(saved["pieces"], saved["starts"], int(saved["rows"]), json.loads(str(saved["passes"])))
