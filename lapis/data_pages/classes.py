"""What samples of sources are (subject, quality, difficulty), what was masked in them, what key data's rule took"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lapis.data.steps import private
from lapis.data_pages.counts import Place, read_json
from lapis.data_pages.shown import clean
from lapis.report_parts.page import number, section, table
from lapis.types import InputError

BINS = 10
"""Bars of a figure between 0 and 1."""
SUBJECTS = 5
"""Subjects named of a kind."""
SHARES = ("quality", "difficulty")
"""Columns between 0 and 1."""
FIGURES = (*SHARES, "gain")
"""Columns of numbers, null where nobody measured."""


@dataclass(slots=True)
class Classes:
    """What the samples of a kind are."""

    subjects: Counter[str] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    """Things of personal data by their sort."""
    known: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in FIGURES})
    """Figures of the samples that have them."""


def classes(place: Place) -> dict[str, Classes]:
    """Every kind of which samples were classified, by name."""
    found: dict[str, Classes] = {}
    for path in place.samples():
        there = pq.read_schema(path).names
        wanted = [name for name in ("subject", "modality", "masked", *FIGURES) if name in there]
        if wanted:
            for kind, rows in _by_kind(pq.read_table(path, columns=["kind", *wanted])):
                _add(found.setdefault(kind, Classes()), rows)
    return dict(sorted(found.items()))


def _by_kind(rows: pa.Table) -> list[tuple[str, pa.Table]]:
    kinds = np.array(rows["kind"].to_pylist(), dtype=object)
    return [(kind, rows.filter(pa.array(kinds == kind))) for kind in dict.fromkeys(kinds.tolist())]


def _add(one: Classes, rows: pa.Table) -> None:
    for name, counter in (("subject", one.subjects), ("modality", one.modalities)):
        if name in rows.column_names:
            counter.update(rows[name].to_pylist())
    if "masked" in rows.column_names:
        one.masked.update(private.counts(rows))
    for name in FIGURES:
        if name in rows.column_names:
            one.known[name] += rows[name].drop_null().to_pylist()


def shown(place: Place) -> str:
    """Both tables; nothing where no sample was classified. Raises InputError for a select.json that is not whole."""
    lines = [
        [
            escape(clean(kind)),
            _common(one.modalities),
            _common(one.subjects),
            *(_bars(one.known[name]) for name in SHARES),
            _spread(one.known["gain"]),
            _common(+one.masked),
        ]
        for kind, one in classes(place).items()
    ]
    heads = (
        *("kind", "modality", "subject", "quality, 0 to 1", "difficulty, 0 to 1"),
        *("gain of pictures: 5% / half / 95%", "personal data masked"),
    )
    lead = (
        "Of samples from sources: the commonest subjects, the classifier's quality, how hard the reader finds them, by "
        "how many nats a token their pictures help it, what was masked in them; and of key data how often each kind "
        "was taken."
    )
    return section("Classes", lead, table(heads, lines, text=(0, 1, 2, 6)), _key_data(place))


def _common(found: Counter[str]) -> str:
    told = ", ".join(f"{escape(clean(name))} {number(many)}" for name, many in found.most_common(SUBJECTS))
    return told + (f", {len(found) - SUBJECTS} more" if len(found) > SUBJECTS else "")


def _bars(known: Sequence[float]) -> str:
    if not known:
        return "unknown"
    heights = np.histogram(known, BINS, (0, 1))[0]
    drawn = "".join(
        f'<i style="height:{100 * int(count) / int(heights.max()):.1f}%" '
        f'title="{at / BINS:.1f} to {(at + 1) / BINS:.1f}: {int(count):,}"></i>'
        for at, count in enumerate(heights)
    )
    return f'<div class="hist" title="mean {np.mean(known):.2f}">{drawn}</div>'


def _spread(known: Sequence[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in np.percentile(known, (5, 50, 95))) if known else ""


def _key_data(place: Place) -> str:
    """A line a kind of what select.json tells."""
    path = place.corpus / "select.json"
    tree = read_json(path)
    try:
        kinds = dict(tree.get("kinds", {}))
        before, after = (sum(one[name] for one in kinds.values()) or 1 for name in ("bytes", "taken_bytes"))
        lines = [
            [
                escape(clean(kind)),
                *(number(one["rows"]), number(one["taken_rows"])),
                "unknown" if one["difficulty"] is None else f"{one['difficulty']:.2f}",
                f"{one['weight']:.2f}",
                *(f"{one['bytes'] / before:.1%}", f"{one['taken_bytes'] / after:.1%}"),
            ]
            for kind, one in kinds.items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: expected kinds with rows, bytes, weight and what was taken") from None
    heads = ("key data", "samples", "taken", "mean difficulty", "weight of the kind", "of the text before", "after")
    return table(heads, lines)
