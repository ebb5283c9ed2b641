"""In and out on the page: bars by step, kind and source, every step's kinds in a table, what the data stage dropped"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from lapis.data_pages import counts
from lapis.data_pages.counts import Flow, Place
from lapis.data_pages.shown import clean
from lapis.report_parts.page import number, section, table

COLOURS = 6
"""Reasons that have a colour of their own, the commonest ones; all others are grey."""


def shown(place: Place) -> str:
    """What a corpus tells, and what the data stage around it tells. Raises InputError for files that are not whole."""
    lines = counts.steps(place)
    parts = [
        ("By step", counts.by_step(lines)),
        *((f"By {by}", counts.ends(lines, by)) for by in ("kind", "source")),
        ("Training samples equal to a held-out one are left out", counts.stage_flows(place)),
    ]
    blocks = "".join(f"<h3>{title}</h3>{bars(flows)}" for title, flows in parts if flows) + _evaluations(place)
    blocks += f"<h3>Every step, kind by kind</h3>{_steps(counts.by_step_and_kind(lines))}" if lines else ""
    lost = sorted(counts.reasons(place).items(), key=lambda pair: -pair[1])
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
    """A bar for each, as wide as the largest one's samples allow: green what came out, then why the rest did not; and
    how many each reason took of all of them."""
    most = max((flow.into for flow in flows), default=0) or 1
    every = _common(sum((Counter(flow.dropped) for flow in flows), Counter[str]()))
    marks = {name: f"s{at}" if at < COLOURS else "rest" for at, (name, _) in enumerate(every)}
    legend = "".join(f'<li class="{marks[name]}">{escape(clean(name))} {many:,}</li>' for name, many in every)
    drawn = "".join(_bar(flow, most, marks) for flow in flows)
    return f'<div class="bars">{drawn}<ul class="legend">{legend}</ul></div>'


def _common(found: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons and their counts, the commonest first."""
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _bar(flow: Flow, most: int, marks: Mapping[str, str]) -> str:
    parts = [("kept", "kept", flow.out)]
    parts += [(marks[reason], reason, count) for reason, count in _common(flow.dropped)]
    drawn = "".join(
        f'<i class="{mark}" style="width:{100 * count / most:.3f}%" title="{escape(clean(name))}: {count:,}"></i>'
        for mark, name, count in parts
    )
    told = f"{number(flow.into)} \u2192 {number(flow.out)} ({flow.out / max(flow.into, 1):.1%})"
    return _line(flow.name, drawn, told)


def _line(name: str, drawn: str, told: str) -> str:
    return f'<div class="count"><b>{escape(clean(name))}</b><div class="flow">{drawn}</div><small>{told}</small></div>'


def _steps(flows: Sequence[tuple[str, Flow]]) -> str:
    """A row for each kind that came to a step."""
    lines = [
        [
            *(escape(clean(name)) for name in (step, flow.name)),
            *(f"{count:,}" for count in (flow.into, flow.out)),
            ", ".join(f"{escape(clean(reason))} {many:,}" for reason, many in _common(flow.dropped)),
        ]
        for step, flow in flows
    ]
    made = table(("step", "kind", "in", "out", "why the others did not"), lines, text=(0, 1, 4))
    return f'<div class="why">{made}</div>'


def _lost(reasons: Sequence[tuple[str, int]]) -> str:
    most = max(count for _, count in reasons)
    drawn = [
        _line(reason, f'<i class="s1" style="width:{100 * count / most:.3f}%"></i>', number(count))
        for reason, count in reasons
    ]
    return f'<div class="bars">{"".join(drawn)}</div>'
