"""Key data resampling: how many copies of a row are taken, 0 to k, by rarity, difficulty, saturation and quality.

The original names "key data resampling" without a formula; this one is ours. Of a row i of kind k, with difficulty d_i
and quality q_i in 0..1 and s_i bytes of text, its weight is

    w_i = rare_k * fresh_k * hard_i * good_i

    rare_k  = (N / (K n_k)) ** rare                    n_k rows of the kind, N rows of K kinds (arXiv 1901.07291)
    fresh_k = 1                                        where the kind's mean difficulty D_k >= saturated,
              floor + (1 - floor) * D_k / saturated    below it
    hard_i  = 1 + hard * (t(r_i) - 1/2)                r_i the standing of d_i among its kind's, 0 easiest to 1 hardest,
                                                       equal ones in their middle; t rises from 0 to 1 at `peak`, and
                                                       falls to 0 at 1
    good_i  = 1 + quality * (2 q_i - 1)                r_i and q_i are 1/2 where unknown

and with the one scale c for which the bytes stay what they were, sum_i s_i min(most, c w_i) = sum_i s_i,

    copies_i = floor(min(most, c w_i)) + [u_i < the fraction that is left],   u_i in [0, 1) a hash of the row's id.

So hard and rare rows go up, saturated kinds down, and what is hardest of all, as often wrong as hard, down again. The
standing is that within a kind, since losses of prose and of sums cannot be compared. A row's copies depend on its id
and the plan alone: neither on order nor on slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import measure
from lapis.data_config.judge import Select

RULES = Select()
MIDDLING = 0.5
"""Difficulty, standing and quality of a row of which nothing is known."""
RANKS = 1001
"""Difficulties of a kind that a plan keeps."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What all rows together decide."""

    kinds: Mapping[str, float]
    """rare_k * fresh_k of each kind."""
    ranks: Mapping[str, Sequence[float]]
    """Difficulties of each kind in order, at most RANKS of them, evenly spread."""
    scale: float
    """c."""
    rules: Select = RULES


@dataclass(slots=True)
class Tally:
    """Reads all rows once, table by table, and plans. Keeps 28 bytes a row."""

    rules: Select = RULES
    _names: dict[str, int] = field(default_factory=dict)
    _parts: list[tuple[Floats, ...]] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        """Count rows (columns `kind`, `text`, and where they are there `difficulty` and `quality`)."""
        kinds = [self._names.setdefault(name, len(self._names)) for name in rows["kind"].to_pylist()]
        sizes = np.asarray(pc.fill_null(pc.binary_length(rows["text"]), 0), dtype=np.float64)
        numbers = np.array(kinds, dtype=np.float64)
        self._parts.append((numbers, sizes, _column(rows, "difficulty"), _column(rows, "quality")))

    def plan(self) -> Plan:
        """The weights of kinds and the scale, after all rows."""
        if not self._names:
            return Plan({}, {}, 0.0, self.rules)
        numbers, sizes, difficulty, quality = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        ranks, weights, every = {}, {}, np.zeros(len(numbers))
        for name, number in self._names.items():
            own = numbers == number
            known = np.sort(difficulty[own & ~np.isnan(difficulty)])
            ranks[name] = _spread(known)
            rare = (len(numbers) / (len(self._names) * own.sum())) ** self.rules.rare
            weights[name] = float(rare * _fresh(known.mean() if len(known) else MIDDLING, self.rules))
            every[own] = weights[name] * _own(difficulty[own], quality[own], ranks[name], self.rules)
        return Plan(weights, ranks, scale_of(every, sizes, self.rules.most), self.rules)


def _fresh(mean: float, rules: Select) -> float:
    """fresh_k of a kind's mean difficulty."""
    return 1.0 if mean >= rules.saturated else rules.floor + (1 - rules.floor) * mean / rules.saturated


def _spread(known: Floats) -> list[float]:
    """At most RANKS values of a row in order, evenly spread."""
    if len(known) <= RANKS:
        return known.tolist()
    return known[np.linspace(0, len(known) - 1, RANKS).round().astype(np.int64)].tolist()


def scale_of(weights: Floats, sizes: Floats, most: float) -> float:
    """c with sum(sizes * min(most, c * weights)) = sum(sizes); 0 where nothing weighs anything.

    With the m heaviest rows at their limit, c is a fraction; m is the first for which the next row stays under it.
    """
    order = np.argsort(-weights, kind="stable")
    weights, sizes = weights[order], sizes[order]
    capped = np.concatenate(([0.0], np.cumsum(sizes)[:-1]))
    rest = np.cumsum((sizes * weights)[::-1])[::-1]
    some = rest > 0
    scales = (sizes.sum() - most * capped[some]) / rest[some]
    fits = np.flatnonzero(scales * weights[some] <= most * (1 + 1e-12))
    return float(scales[fits[0]]) if len(fits) else 0.0


def change(rows: pa.Table, plan: Plan) -> pa.Table:
    """The same rows with `copies`, int32: how often each is taken. A kind that the plan has not met weighs 1."""
    kinds, weights = np.array(rows["kind"].to_pylist(), dtype=object), np.ones(rows.num_rows)
    difficulty, quality = _column(rows, "difficulty"), _column(rows, "quality")
    for name in set(kinds.tolist()):
        own = kinds == name
        told = _own(difficulty[own], quality[own], plan.ranks.get(name, ()), plan.rules)
        weights[own] = plan.kinds.get(name, 1.0) * told
    wanted = np.minimum(plan.rules.most, plan.scale * weights)
    whole = np.floor(wanted)
    copies = whole + (chances(rows["id"]) < wanted - whole)
    return rows.append_column("copies", pa.array(copies.astype(np.int32)))


def judge(rows: pa.Table) -> pa.Array:
    """`resampled away` where `copies` is 0, null where the row stays."""
    gone = pc.equal(rows["copies"], 0)
    reasons = pc.if_else(gone, "resampled away", pa.scalar(None, pa.string()))
    return reasons.combine_chunks() if isinstance(reasons, pa.ChunkedArray) else reasons


def taken(rows: pa.Table) -> pa.Table:
    """Every row as often as `copies` says, copies beside each other, without that column."""
    order = np.repeat(np.arange(rows.num_rows), rows["copies"].to_numpy())
    return rows.drop_columns(["copies"]).take(pa.array(order))


def chances(ids: pa.Array | pa.ChunkedArray) -> Floats:
    """A number in [0, 1) for each id."""
    found = [
        measure.mix(measure.hashes(block.bytes, measure.Spans(block.first, block.last, np.arange(block.count))))
        for block in measure.blocks(ids)
    ]
    whole = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    return (whole >> np.uint64(11)).astype(np.float64) / 2.0**53


def _own(difficulty: Floats, quality: Floats, ranks: Sequence[float], rules: Select) -> Floats:
    """hard_i * good_i of rows of one kind; unknown is NaN."""
    standing = np.full(len(difficulty), MIDDLING)
    if len(ranks):
        sides = [np.searchsorted(ranks, difficulty, side) for side in ("left", "right")]
        standing = np.where(np.isnan(difficulty), MIDDLING, (sides[0] + sides[1]) / (2 * len(ranks)))
    told = np.minimum(standing / max(rules.peak, 1e-9), (1 - standing) / max(1 - rules.peak, 1e-9))
    hard = np.maximum(1 + rules.hard * (told - 0.5), 0.0)
    return np.asarray(hard * (1 + rules.quality * (2 * np.nan_to_num(quality, nan=MIDDLING) - 1)))


def _column(rows: pa.Table, name: str) -> Floats:
    """A column between 0 and 1; NaN where it is null, or not there."""
    if name not in rows.column_names:
        return np.full(rows.num_rows, np.nan)
    return np.asarray(pc.fill_null(rows[name].cast(pa.float64()), np.nan)).clip(0, 1)
