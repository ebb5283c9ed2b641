"""Who did what when in RL: the timeline of its processes as a picture, and how long each was idle, by cause."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lapis.report_parts import charts

SECONDS = 30.0
"""Most of the run's end that the picture shows."""
WIDTH, LEFT, LANE = 720, 110, 26
NAMES = ("decode", "update", "weights", "prompts", "copy", "checkpoint")
"""What processes do, in the order of their colours."""
CAUSES = {
    "bound": "idle: newer weights awaited",
    "queue": "idle: nothing handed out",
    "rollouts": "idle: rollouts awaited",
}
Json = dict[str, Any]


def processes(folder: Path) -> str:
    """The picture and the bars; nothing where the stage ran in one process."""
    trace, idle = folder / "trace.json", folder / "idle.json"
    if not (trace.is_file() and idle.is_file()):
        return ""
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    return f"<h3>Processes</h3>{lanes(events)}{_shares(json.loads(idle.read_text(encoding='utf-8')))}"


def lanes(events: Sequence[Json]) -> str:
    """A lane a process, over the last SECONDS of a trace in Chrome's form."""
    names = {one["pid"]: one["args"]["name"] for one in events if one["ph"] == "M"}
    spans = [one for one in events if one["ph"] == "X"]
    end = max((one["ts"] + one["dur"] for one in spans), default=0) / 1e6
    start = max(0.0, end - SECONDS)
    axis = charts.Axis(start, end, LEFT, WIDTH - 10)
    height = LANE * len(names) + 24
    body = "".join(
        f'<text x="{LEFT - 8}" y="{LANE * place + 18}" text-anchor="end">{escape(name)}</text>'
        for place, name in enumerate(names.values())
    )
    shown = [one for one in spans if (one["ts"] + one["dur"]) / 1e6 > start]
    body += "".join(_bar(one, axis, LANE * list(names).index(one["pid"])) for one in shown)
    body += "".join(
        f'<text x="{axis.at(value):.1f}" y="{height - 6}" text-anchor="middle">{value:.0f} s</text>'
        for value in axis.ticks(6)
    )
    label = f'role="img" aria-label="What each process did in the last {end - start:.0f} seconds"'
    legend = "".join(f'<li class="s{place % 6}">{name}</li>' for place, name in enumerate(NAMES))
    return f'<svg viewBox="0 0 {WIDTH} {height}" {label}>{body}</svg><ul class="legend">{legend}</ul>'


def _bar(one: Json, axis: charts.Axis, top: int) -> str:
    first, last = (axis.at(max(axis.low, ts / 1e6)) for ts in (one["ts"], one["ts"] + one["dur"]))
    colour = NAMES.index(one["name"]) % 6 if one["name"] in NAMES else 5
    return (
        f'<rect x="{first:.1f}" y="{top + 5}" width="{max(0.4, last - first):.1f}" height="{LANE - 9}" '
        f'style="fill:var(--s{colour})"><title>{escape(one["name"])}: {one["dur"] / 1e3:.1f} ms</title></rect>'
    )


def _shares(idle: Mapping[str, Mapping[str, float]]) -> str:
    bars = []
    for who, shares in idle.items():
        causes = [100 * shares.get(cause, 0.0) for cause in CAUSES]
        bars.append((who, [100 - sum(causes), *causes], f"{sum(causes):.0f}% idle"))
    return charts.stacks(bars, ("busy", *CAUSES.values()), "%")
