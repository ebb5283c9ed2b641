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
from lapis.data_pages import classes, counts, measures
from lapis.data_pages.counts import Flow, Place, Step
from lapis.data_pages.entries import browser, document
from lapis.data_pages.read import rows_of
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
COLOURS = 6


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
    lines = counts.steps(place)
    found = measures.kinds(place)
    samples = sum(kind.samples for kind in found.values())
    head = (
        f'<p class="mark">Lapis data</p><h1>{escape(clean(name))}</h1>'
        f"<p>{number(samples)} training samples of {len(found)} kinds. Green is kept, or in a text what is trained.</p>"
    )
    return document(
        f"Lapis data: {clean(name)}",
        head,
        [
            ("flow", "In and out", _flow(place, lines)),
            ("kinds", "Kinds", _kinds(found)),
            ("classes", "Classes", classes.shown(place)),
            ("kept", "Kept", _kept(place)),
            ("dropped", "Dropped", _dropped(place)),
            ("broken", "Broken", _broken(place)),
        ],
    )


def _flow(place: Place, lines: Sequence[Step]) -> str:
    """By step, by kind and by source where a corpus tells it; else what the data stage tells."""
    if lines:
        parts = [
            ("By step", counts.by_step(lines)),
            *((f"By {by}", counts.ends(lines, by)) for by in ("kind", "source")),
        ]
    else:
        parts = [("Training samples equal to a held-out one are left out", counts.stage_flows(place))]
    blocks = "".join(f"<h3>{title}</h3>{bars(flows)}" for title, flows in parts if flows) + _evaluations(place)
    lost = [] if lines else sorted(counts.reasons(place).items(), key=lambda pair: -pair[1])
    blocks += f"<h3>Documents of prose that were dropped</h3>{_lost(lost)}" if lost else ""
    notes = "".join(
        f"<p>{escape(clean(str(note)))}</p>" for note in counts.read_json(place.data / "counts.json").get("notes", ())
    )
    return section(
        "In and out", "Samples that went in, those that came out (green), and why the others did not.", blocks, notes
    )


def _evaluations(place: Place) -> str:
    """What training has not read."""
    found = counts.evaluations(place)
    lines = [[escape(clean(name)), number(samples), number(dropped)] for name, samples, dropped in found]
    heads = ("evaluation set", "samples", "dropped for it")
    return f"<h3>By evaluation set</h3>{table(heads, lines)}" if found else ""


def bars(flows: Sequence[Flow]) -> str:
    """A bar for each, as wide as the largest one's samples allow: green what came out, then a colour a reason."""
    most = max((flow.into for flow in flows), default=0) or 1
    names = list(dict.fromkeys(reason for flow in flows for reason in flow.dropped))
    legend = "".join(f'<li class="s{at % COLOURS}">{escape(clean(name))}</li>' for at, name in enumerate(names))
    shown = "".join(_bar(flow, most, names) for flow in flows)
    return f'<div class="bars">{shown}<ul class="legend">{legend}</ul></div>'


def _bar(flow: Flow, most: int, names: Sequence[str]) -> str:
    parts = [("kept", "kept", flow.out)]
    parts += [(f"s{names.index(reason) % COLOURS}", reason, count) for reason, count in flow.dropped.items()]
    drawn = "".join(
        f'<i class="{mark}" style="width:{100 * count / most:.3f}%" title="{escape(clean(name))}: {count:,}"></i>'
        for mark, name, count in parts
    )
    told = f"{number(flow.into)} \u2192 {number(flow.out)} ({flow.out / max(flow.into, 1):.1%})"
    return _line(flow.name, drawn, told)


def _line(name: str, drawn: str, told: str) -> str:
    return f'<div class="count"><b>{escape(clean(name))}</b><div class="flow">{drawn}</div><small>{told}</small></div>'


def _lost(reasons: Sequence[tuple[str, int]]) -> str:
    most = max(count for _, count in reasons)
    drawn = [
        _line(reason, f'<i class="s1" style="width:{100 * count / most:.3f}%"></i>', number(count))
        for reason, count in reasons
    ]
    return f'<div class="bars">{"".join(drawn)}</div>'


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


def _kept(place: Place) -> str:
    rows: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    for path in place.samples():
        for row, kind in enumerate(store.read_column(path, "kind")):
            rows[kind].append((path, row))
    chosen = sorted(pair for own in rows.values() for pair in spread(own, KEPT))
    shown = sorted(rows_of(chosen), key=lambda one: one.kind)
    lead = f"Up to {KEPT} of each kind, spread over all. What the model learns to write is marked green."
    return section("Kept", lead, browser(shown))


def _dropped(place: Place) -> str:
    path = place.corpus / "dropped.parquet"
    shown = list(_from_corpus(path)) if path.is_file() else list(_from_prose(place))
    lead = f"Up to {DROPPED} of each step and reason; a copy names the sample that stayed."
    return section("Dropped", lead, browser(shown))


def _from_corpus(path: Path) -> Iterator[Shown]:
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
