"""The page of a data stage: what came in and went out, why, what was kept and dropped, and what of it is broken"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lapis import files
from lapis.data import store
from lapis.data.evenly import spread
from lapis.data_pages import classes, counts, flow, measures
from lapis.data_pages.counts import Place
from lapis.data_pages.entries import browser, document
from lapis.data_pages.read import named, rows_of
from lapis.data_pages.shown import Piece, Shown, clean
from lapis.report_parts.page import clip, number, section, table

KEPT, DROPPED = 12, 24
"""Examples of each kind that was kept, and of each step and reason for which something was dropped."""
BROKEN = 1000
"""Broken records that are listed; all are counted."""
LICENCES = 4
"""Licences named of a kind."""
LONGEST = 40
"""Characters of a licence in a table; the rest stands in its title."""


def build(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a run's data stage, of a data stage or a corpus; `data.html` in it, or `out`.

    Raises InputError where there is none, or one of its files is not whole.
    """
    place = counts.place_of(folder)
    path = out or place.data / "data.html"
    files.write(path, html(place, folder.resolve().name))
    return path


def html(place: Place, name: str) -> str:
    """The page."""
    found = measures.kinds(place)
    dropped = [*_from_corpus(place), *_from_prose(place)]
    samples = sum(kind.samples for kind in found.values())
    head = (
        f'<p class="mark">Lapis data</p><h1>{escape(clean(name))}</h1>'
        f"<p>{number(samples)} training samples of {len(found)} kinds. Green is kept, or in a text what is trained.</p>"
    )
    return document(
        f"Lapis data: {clean(name)}",
        head,
        [
            ("flow", "In and out", flow.shown(place)),
            ("kinds", "Kinds", _kinds(found)),
            ("classes", "Classes", classes.shown(place)),
            ("kept", "Kept", _kept(place, dropped)),
            ("dropped", "Dropped", _dropped(dropped)),
            ("broken", "Broken", _broken(place)),
        ],
    )


def _kinds(found: dict[str, measures.Kind]) -> str:
    """Languages, licences and lengths."""
    lines = [
        [
            escape(clean(name)),
            number(kind.samples),
            ", ".join(f"{escape(clean(lang)) or 'none'} {number(many)}" for lang, many in kind.langs.most_common()),
            _licences(kind.licences),
            number(int(kind.tokens.sum())) if len(kind.tokens) else "",
            " / ".join(number(value) for value in np.percentile(kind.tokens, (5, 50, 95))) if len(kind.tokens) else "",
            _histogram(kind.tokens) if len(kind.tokens) else "",
        ]
        for name, kind in found.items()
    ]
    heads = (
        "kind",
        "samples",
        "languages",
        "licences",
        "tokens",
        "5% / half / 95%",
        f"lengths, 1 to {2**15:,} and more",
    )
    lead = "Lengths are tokens of a sample; each bar of them is twice as wide as the one before it."
    return section("Kinds", lead, f'<div class="wrap">{table(heads, lines, text=(0, 2, 3))}</div>' if lines else "")


def _licences(found: Counter[str]) -> str:
    pairs = [(clean(name) or "none", many) for name, many in found.most_common(LICENCES)]
    named = ", ".join(
        f'<span title="{escape(name)}">{clip(name, LONGEST)}</span> {number(many)}' for name, many in pairs
    )
    return named + (f", {len(found) - LICENCES} more" if len(found) > LICENCES else "")


def _histogram(tokens: measures.Ints) -> str:
    heights = measures.histogram(tokens)
    most = max(int(heights.max()), 1)
    drawn = "".join(
        f'<i style="height:{100 * int(count) / most:.1f}%" title="{2**at}+ tokens: {int(count):,}"></i>'
        for at, count in enumerate(heights)
    )
    return f'<div class="hist">{drawn}</div>'


def _kept(place: Place, dropped: Sequence[Shown]) -> str:
    rows: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    for path in place.samples():
        for row, kind in enumerate(store.read_column(path, "kind")):
            rows[kind].append((path, row))
    stayed = named(place.samples(), {one.fact("other") for one in dropped})
    chosen = sorted({*stayed, *(pair for own in rows.values() for pair in spread(own, KEPT))})
    shown = sorted(rows_of(chosen), key=lambda one: one.kind)
    lead = (
        f"Up to {KEPT} of each kind, spread over all, and what stayed in the place of the copies below: "
        "its id may be looked for. What the model learns to write is marked green."
    )
    return section("Kept", lead, browser(shown))


def _dropped(shown: Sequence[Shown]) -> str:
    lead = f"Up to {DROPPED} of each step and reason; of a copy, <code>other</code> is the id of what stayed."
    return section("Dropped", lead, browser(shown))


def _from_corpus(place: Place) -> Iterator[Shown]:
    path = place.corpus / "dropped.parquet"
    if not path.is_file():
        return
    with pq.ParquetFile(path) as file:
        table_ = file.read(["step", "reason"])
    rows: dict[tuple[str, str], list[tuple[Path, int]]] = defaultdict(list)
    for row, pair in enumerate(zip(*(table_.column(name).to_pylist() for name in ("step", "reason")), strict=True)):
        rows[pair].append((path, row))
    yield from rows_of(sorted(pair for own in rows.values() for pair in spread(own, DROPPED)))


def _from_prose(place: Place) -> Iterator[Shown]:
    for reason, source, text in counts.excerpts(place):
        facts = {"reason": clean(reason), "source": clean(source)}
        yield Shown("prose", (Piece(clean(text)),), facts=facts)


def _broken(place: Place) -> str:
    """How many by reason and source, and where the first of them stand."""
    every = Counter[tuple[str, str]]()
    listed: list[tuple[str, str, str]] = []
    for source, where, reason in counts.broken(place):
        every[reason, source] += 1
        if len(listed) < BROKEN:
            listed.append((source, where, reason))
    if not every:
        return ""
    heads = [
        [escape(clean(reason)), escape(clean(source)), number(many)] for (reason, source), many in every.most_common()
    ]
    entries = "".join(_record(*one) for one in listed)
    lead = f"Records that could not be read: {number(every.total())}; {number(len(listed))} are listed by their place."
    shown = f'<div class="browser" data-filters="reason source"><div class="entries">{entries}</div></div>'
    return section("Broken", lead, table(("reason", "source", "records"), heads, text=(0, 1)), shown)


def _record(source: str, where: str, reason: str) -> str:
    source, where, reason = (escape(clean(text)) for text in (source, where, reason))
    return (
        f'<article class="sample dropped" data-reason="{reason}" data-source="{source}">'
        f'<span class="chip why">{reason}</span><span class="chip">{source}</span>{where}</article>'
    )
