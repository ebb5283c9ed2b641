"""The row-wise steps in their order, and a table's way through them with every drop counted and some kept to look at.

A step is one line here: a name, a `change` that gives the same rows with other columns, a `judge` that gives each row's
reason to be dropped (or null), or both, in this order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lapis import config
from lapis.data.corpus import rows
from lapis.data.linear import Linear
from lapis.data.steps import classify, language, normalise, pictures, private, quality, scored
from lapis.types import InputError

Judge = Callable[[pa.Table, config.Corpus], pa.Array]
Change = Callable[[pa.Table, config.Corpus], pa.Table]


@dataclass(frozen=True, slots=True)
class RowStep:
    """One step; `judge`, `change` or both are given."""

    name: str
    judge: Judge | None = None
    change: Change | None = None
    wanted: Callable[[config.Corpus], bool] = lambda settings: True
    """Whether the recipe has what it needs."""


def _spread(mask: pa.Array, found: pa.Array) -> pa.Array:
    """Values of the rows where a mask is true as values of all rows, null elsewhere."""
    place = pc.if_else(mask, pc.subtract(pc.cumulative_sum(mask.cast(pa.int64())), 1), pa.scalar(None, pa.int64()))
    return found.take(place)


def _quality(table: pa.Table, settings: config.Corpus) -> pa.Array:
    """Documents without pictures are asked; rules for prose say nothing about conversations."""
    mask = rows.plain(table)
    return _spread(mask, quality.judge(table.select(["text", "lang"]).filter(mask), settings.quality))


def _score(table: pa.Table, settings: config.Corpus) -> pa.Table:
    """The classifier's quality of the same documents, null for other rows."""
    mask = rows.plain(table)
    found = scored.change(table.filter(mask), classifier(settings.classifiers.quality))["quality"]
    return table.append_column("quality", _spread(mask, found.combine_chunks()))


def _low(table: pa.Table, settings: config.Corpus) -> pa.Array:
    least = settings.classifiers.least
    return scored.judge(table, threshold(settings.classifiers.quality) if least is None else least)


def _classify(table: pa.Table, settings: config.Corpus) -> pa.Table:
    folder = settings.classifiers.subject
    return classify.change(table, classifier(folder) if folder else None)


@cache
def classifier(folder: str) -> Linear:
    """The classifier in a folder. Raises InputError where there is none."""
    return Linear.load(Path(folder).expanduser())


def threshold(folder: str) -> float:
    """Of a classifier of quality. Raises InputError for one that has none."""
    about = classifier(folder).about
    if "threshold" not in about:
        raise InputError(f"{folder}: no threshold in it; expected one of quality, or data.corpus.classifiers.least")
    return float(about["threshold"])


STEPS = (
    RowStep("normalise", change=lambda table, settings: normalise.change(table)),
    RowStep("language", change=lambda table, settings: language.change(table)),
    RowStep("languages", judge=lambda table, settings: language.judge(table, settings.languages)),
    RowStep("quality", judge=_quality),
    RowStep("scored", _low, _score, lambda settings: bool(settings.classifiers.quality)),
    RowStep("private", change=lambda table, settings: private.change(table)),
    RowStep("pictures", judge=lambda table, settings: pictures.judge(table, settings.pictures)),
    RowStep("classify", change=_classify),
)
"""Row-wise steps in their order. One that changes a text changes it in `text` and in `turns`."""


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
        self.came(step, table["kind"])
        if reasons is not None and reasons.null_count < len(reasons):
            gone = pc.is_valid(reasons)
            self.left(step, table.filter(gone).append_column("reason", reasons.filter(gone)))

    def came(self, step: str, kinds: pa.ChunkedArray) -> None:
        """Kinds of the rows that came to a step."""
        for kind in pc.value_counts(kinds).to_pylist():
            self.taken[step, kind["values"]] += kind["counts"]

    def left(self, step: str, gone: pa.Table) -> None:
        """Rows that left there, with a column `reason`."""
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


def through(table: pa.Table, settings: config.Corpus, tally: Tally) -> pa.Table:
    """What of a table stays after all steps but those that the recipe skips."""
    for step in STEPS:
        if not table.num_rows:
            break
        if step.name in settings.skip or not step.wanted(settings):
            continue
        if step.change:
            table = step.change(table, settings)
        reasons = step.judge(table, settings) if step.judge else None
        tally.add(step.name, table, reasons)
        if reasons is not None and reasons.null_count < len(reasons):
            table = table.filter(pc.is_null(reasons))
    return table
