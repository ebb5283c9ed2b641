"""The row-wise steps in their order, and a table's way through them with every drop counted and some kept to look at.

A step is one line here: a name, and a `judge` that gives each row's reason to be dropped (or null), or a `change` that
gives the same rows with other columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import quality
from lapis.data.corpus import rows

Judge = Callable[[pa.Table], pa.Array]
Change = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class RowStep:
    """One step; `judge` or `change` is given."""

    name: str
    judge: Judge | None = None
    change: Change | None = None


def _normalise(table: pa.Table) -> pa.Table:
    texts = pc.utf8_trim_whitespace(pc.utf8_normalize(table["text"], "NFC"))
    return table.set_column(table.schema.get_field_index("text"), "text", texts)


def _language(table: pa.Table) -> pa.Table:
    texts, known = table["text"], table["lang"]
    han = pc.count_substring_regex(texts, r"\p{Han}")
    found = pc.if_else(pc.greater_equal(pc.multiply(han, 5), pc.count_substring_regex(texts, r"\S")), "zh", "en")
    return table.set_column(table.schema.get_field_index("lang"), "lang", pc.if_else(pc.equal(known, ""), found, known))


def _quality(table: pa.Table) -> pa.Array:
    import daft

    numbered = table.select(["text", "lang"]).append_column("row", pa.array(range(table.num_rows)))
    judged = quality.judge(daft.from_arrow(numbered)).select("row", "reason").to_arrow().sort_by("row")["reason"]
    return pc.if_else(rows.plain(table), judged.combine_chunks().cast(pa.string()), pa.scalar(None, pa.string()))


STEPS = (
    RowStep("normalise", change=_normalise),
    RowStep("language", change=_language),
    RowStep("quality", judge=_quality),
)
"""Row-wise steps in their order."""


@dataclass(slots=True)
class Tally:
    """Counts by step and kind, and the first few dropped rows of each step and reason."""

    most: int
    """Rows that are kept of a step and reason."""
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(step, kind) to the rows that came in."""
    dropped: dict[tuple[str, str], Counter[str]] = field(default_factory=partial(defaultdict, Counter))
    examples: list[pa.Table] = field(default_factory=list)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, step: str, table: pa.Table, reasons: pa.Array | None = None) -> None:
        """Rows that came to a step, and why some left there (null where they stay)."""
        for kind in pc.value_counts(table["kind"]).to_pylist():
            self.taken[step, kind["values"]] += kind["counts"]
        if reasons is None or reasons.null_count == len(reasons):
            return
        gone = table.append_column("reason", reasons).filter(pc.is_valid(reasons))
        for both in gone.group_by(["kind", "reason"]).aggregate([([], "count_all")]).to_pylist():
            self.dropped[step, both["kind"]][both["reason"]] += both["count_all"]
        for reason in pc.unique(gone["reason"]).to_pylist():
            self._show(step, reason, gone.filter(pc.equal(gone["reason"], reason)))

    def _show(self, step: str, reason: str, gone: pa.Table) -> None:
        left = self.most - self.kept[step, reason]
        if left <= 0:
            return
        shown = rows.finish(gone.slice(0, left))
        self.kept[step, reason] += shown.num_rows
        self.examples.append(shown.append_column("step", pa.repeat(pa.scalar(step), shown.num_rows)))

    def broken(self, step: str, kind: str, reason: str) -> None:
        """A record that was none."""
        self.taken[step, kind] += 1
        self.dropped[step, kind][reason] += 1

    def lines(self) -> list[dict[str, Any]]:
        """As counts.json has them, without the source."""
        return [
            {
                "name": step,
                "kind": kind,
                "in": count,
                "out": count - self.dropped[step, kind].total(),
                "dropped": dict(sorted(self.dropped[step, kind].items())),
            }
            for (step, kind), count in self.taken.items()
        ]


def through(table: pa.Table, skip: tuple[str, ...], tally: Tally) -> pa.Table:
    """What of a table stays after all steps but those that are skipped."""
    for step in STEPS:
        if not table.num_rows:
            break
        if step.name in skip:
            continue
        if step.change:
            tally.add(step.name, table)
            table = step.change(table)
        elif step.judge:
            reasons = step.judge(table)
            tally.add(step.name, table, reasons)
            table = table.filter(pc.is_null(reasons))
    return table
