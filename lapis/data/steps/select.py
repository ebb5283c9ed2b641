"""Key data resampling: how many copies of a row are taken, 0 to k, by rarity, difficulty, saturation and quality.

The original names "key data resampling" without a formula; this one is ours. Of a row i of kind k, with difficulty d_i
and quality q_i in 0..1 (0.5 where unknown) and s_i bytes of text, its weight is

    w_i = rare_k * fresh_k * hard_i * good_i

    rare_k  = (N / (K n_k)) ** rare                    n_k rows of the kind, N rows of K kinds (arXiv 1901.07291)
    fresh_k = 1                                        where the kind's mean difficulty D_k >= saturated,
              floor + (1 - floor) * D_k / saturated    below it
    hard_i  = 1 + hard * (t(d_i) - 1/2)                t rises from 0 to 1 at `peak`, and falls to 0 at 1
    good_i  = 1 + quality * (2 q_i - 1)

and with the one scale c for which the bytes stay what they were, sum_i s_i min(most, c w_i) = sum_i s_i,

    copies_i = floor(min(most, c w_i)) + [u_i < the fraction that is left],   u_i in [0, 1) a hash of the row's id.

So hard and rare rows go up, saturated kinds down, and what is hardest of all, as often wrong as hard, down again. A
row's copies depend on its id and the plan alone: neither on order nor on slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import measure
from lapis.data_config.judge import Select

RULES = Select()
MIDDLING = 0.5
"""Difficulty and quality of a row that has none."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What all rows together decide."""

    kinds: Mapping[str, float]
    """rare_k * fresh_k of each kind."""
    scale: float
    """c."""
    rules: Select = RULES


@dataclass(slots=True)
class Tally:
    """Reads all rows once, table by table, and plans. Keeps 20 bytes a row."""

    rules: Select = RULES
    _names: dict[str, int] = field(default_factory=dict)
    _parts: list[tuple[npt.NDArray[np.int32], Floats, Floats]] = field(default_factory=list)
    _difficulty: list[Floats] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        """Count rows (columns `kind`, `text`, and where they are there `difficulty` and `quality`)."""
        kinds = [self._names.setdefault(name, len(self._names)) for name in rows["kind"].to_pylist()]
        sizes = pc.fill_null(pc.binary_length(rows["text"]), 0).to_numpy().astype(np.float64)
        self._parts.append((np.array(kinds, dtype=np.int32), sizes, _own(rows, self.rules)))
        self._difficulty.append(_column(rows, "difficulty"))

    def plan(self) -> Plan:
        """The weights of kinds and the scale, after all rows."""
        if not self._names:
            return Plan({}, 0.0, self.rules)
        kind, sizes, own = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        count = np.bincount(kind)
        mean = np.bincount(kind, np.concatenate(self._difficulty)) / count
        rules = self.rules
        rare = (len(kind) / (len(count) * count)) ** rules.rare
        left = np.ones(len(count))
        if rules.saturated > 0:
            left = np.minimum(1.0, rules.floor + (1 - rules.floor) * mean / rules.saturated)
            left[mean >= rules.saturated] = 1.0
        weights = dict(zip(self._names, (rare * left).tolist(), strict=True))
        return Plan(weights, scale_of(own * (rare * left)[kind], sizes, rules.most), rules)


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
    weights = np.array([plan.kinds.get(kind, 1.0) for kind in rows["kind"].to_pylist()])
    wanted = np.minimum(plan.rules.most, plan.scale * weights * _own(rows, plan.rules))
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


def _own(rows: pa.Table, rules: Select) -> Floats:
    """hard_i * good_i."""
    difficulty = _column(rows, "difficulty")
    falling = (1 - difficulty) / max(1 - rules.peak, 1e-9)
    told = np.minimum(difficulty / max(rules.peak, 1e-9), falling)
    hard = np.maximum(1 + rules.hard * (told - 0.5), 0.0)
    return np.asarray(hard * (1 + rules.quality * (2 * _column(rows, "quality") - 1)))


def _column(rows: pa.Table, name: str) -> Floats:
    if name not in rows.column_names:
        return np.full(rows.num_rows, MIDDLING)
    values = pc.fill_null(rows[name].cast(pa.float64()), MIDDLING)
    return np.asarray(values, dtype=np.float64).clip(0, 1)
