"""Charts as inline SVG and HTML. Colours are CSS variables, so one page serves light and dark.

Charts are 340 units wide, about a phone's width, and stand in a grid: nothing has to shrink until it cannot be read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

WIDTH, HEIGHT = 340, 216
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 34


@dataclass(frozen=True, slots=True)
class Series:
    """One line: points (x, y), and optionally (x, low, high) for a band."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Linear axis from `low` to `high`, drawn over pixels `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Round numbers inside the axis, about `count` of them."""
        step = _round_step((self.high - self.low) / max(count, 1) or 1.0)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))


def lines(
    series: Sequence[Series],
    title: str,
    x_name: str,
    percent: bool = False,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    y_range: tuple[float, float] | None = None,
) -> str:
    """A line chart with its legend below. `x_ticks` names places on the x axis where the numbers are no scale."""
    drawn = [one for one in series if one.points]
    if not drawn:
        return ""
    x_axis, y_axis = _axes(drawn, y_range)
    body = _grid(y_axis, percent) + _x_marks(x_axis, x_ticks, x_name)
    body += "".join(_band(one, x_axis, y_axis, number) for number, one in enumerate(drawn))
    body += "".join(_line(one, x_axis, y_axis, number, percent) for number, one in enumerate(drawn))
    return _figure(title, body, drawn)


def moves(series: Sequence[Series], title: str, x_name: str) -> str:
    """Things that went from one place to another, two points each, in a measure and a share; bands are whiskers."""
    drawn = [one for one in series if one.points]
    if not drawn:
        return ""
    x_axis, y_axis = _axes(drawn, None)
    margin = 0.08 * (x_axis.high - x_axis.low or 1.0)
    x_axis = replace(x_axis, low=x_axis.low - margin, high=x_axis.high + margin)
    body = _grid(y_axis, True) + _x_marks(x_axis, None, x_name)
    body += "".join(_move(one, x_axis, y_axis, number) for number, one in enumerate(drawn))
    return _figure(title, body, drawn)


def _figure(title: str, body: str, drawn: Sequence[Series]) -> str:
    picture = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">{body}</svg>'
    legend = "".join(f'<li class="s{number % 6}">{escape(one.name)}</li>' for number, one in enumerate(drawn))
    keys = f'<ul class="legend">{legend}</ul>' if len(drawn) > 1 else ""
    return f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{picture}{keys}</figure>'


def _axes(series: Sequence[Series], y_range: tuple[float, float] | None) -> tuple[Axis, Axis]:
    xs = [x for one in series for x, _ in one.points]
    ys = [y for one in series for _, y in one.points]
    ys += [side for one in series for _, low, high in one.band for side in (low, high)]
    margin = 0.06 * (max(ys) - min(ys) or abs(max(ys)) or 1.0)
    low, high = y_range or (max(0.0, min(ys) - margin) if min(ys) >= 0 else min(ys) - margin, max(ys) + margin)
    return Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT), Axis(low, high, HEIGHT - BOTTOM, TOP)


def _grid(axis: Axis, percent: bool) -> str:
    marks = []
    ticks = axis.ticks(4)
    for value in ticks:
        y = axis.at(value)
        label = f"{100 * value:.0f}%" if percent else _number(value)
        marks.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
    return "".join(marks)


def _x_marks(axis: Axis, ticks: Sequence[tuple[float, str]] | None, name: str) -> str:
    named = ticks or [(value, _number(value)) for value in axis.ticks(4)]
    marks = [
        f'<text x="{min(axis.at(value), WIDTH - RIGHT - 8):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">'
        f"{escape(label)}</text>"
        for value, label in named
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(name)}</text>')
    return "".join(marks)


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:.3g}"


def _band(one: Series, x_axis: Axis, y_axis: Axis, number: int) -> str:
    if not one.band:
        return ""
    upper = [f"{x_axis.at(x):.1f} {y_axis.at(high):.1f}" for x, _, high in one.band]
    lower = [f"{x_axis.at(x):.1f} {y_axis.at(low):.1f}" for x, low, _ in reversed(one.band)]
    return f'<path class="band s{number % 6}" d="M{"L".join(upper + lower)}Z"/>'


def _line(one: Series, x_axis: Axis, y_axis: Axis, number: int, percent: bool) -> str:
    places = [(x_axis.at(x), y_axis.at(y), y) for x, y in one.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    out = f'<path class="line s{number % 6}" d="M{path}"/>'
    if one.dots or len(places) == 1:
        for x, y, value in places:
            label = f"{100 * value:.1f}%" if percent else f"{value:.4g}"
            tip = f"<title>{escape(one.name)}: {label}</title>"
            out += f'<circle class="dot s{number % 6}" cx="{x:.1f}" cy="{y:.1f}" r="3.2">{tip}</circle>'
    return out


def _move(one: Series, x_axis: Axis, y_axis: Axis, number: int) -> str:
    (x, y), (to_x, to_y) = ((x_axis.at(x), y_axis.at(y)) for x, y in one.points)
    out = "".join(
        f'<path class="line thin s{number % 6}" d="M{x_axis.at(at):.1f} {y_axis.at(low):.1f}V{y_axis.at(high):.1f}"/>'
        for at, low, high in one.band
    )
    out += f'<path class="line s{number % 6}" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'
    places = zip(("ring", "dot"), ("before", "after"), ((x, y), (to_x, to_y)), one.points, strict=True)
    for kind, when, (left, top), (value, share) in places:
        tip = f"<title>{escape(one.name)}, {when}: {100 * share:.1f}% at {value:.1f}</title>"
        out += f'<circle class="{kind} s{number % 6}" cx="{left:.1f}" cy="{top:.1f}" r="4">{tip}</circle>'
    return out


def smooth(points: Sequence[tuple[float, float]], most: int = 120) -> list[tuple[float, float]]:
    """At most `most` points: means of equal slices, so that a long curve stays small and readable."""
    size = max(1, math.ceil(len(points) / most))
    slices = [points[start : start + size] for start in range(0, len(points), size)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in slices]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a dot chart: a share with its interval, and a baseline's if there is one. Shares in [0, 1]."""

    label: str
    value: float
    low: float
    high: float
    note: str = ""
    blind: float | None = None
    goal: float | None = None
    tone: str = "a"


def rows(entries: Sequence[Row]) -> str:
    """Shares as bars with whiskers in plain HTML: text keeps its size on every screen."""
    return f'<div class="rows">{"".join(map(_row, entries))}</div>'


def _row(row: Row) -> str:
    marks = f'<i class="fill {row.tone}" style="width:{_per(row.value)}"></i>'
    marks += f'<i class="whisker" style="left:{_per(row.low)};width:{_per(row.high - row.low)}"></i>'
    if row.blind is not None:
        marks += f'<i class="blind" style="left:{_per(row.blind)}" title="blind baseline {_per(row.blind)}"></i>'
    if row.goal is not None:
        marks += f'<i class="goal" style="left:{_per(row.goal)}" title="goal {_per(row.goal)}"></i>'
    return (
        f'<div class="row"><span class="label">{escape(row.label)}</span><span class="track">{marks}</span>'
        f"<b>{_per(row.value)}</b><small>{escape(row.note)}</small></div>"
    )


def _per(value: float) -> str:
    return f"{100 * min(max(value, 0.0), 1.0):.1f}%"


def strip(parts: Sequence[tuple[str, float]]) -> str:
    """Where the time went: one bar cut into stages by seconds, its legend below."""
    total = sum(seconds for _, seconds in parts) or 1.0
    bar = "".join(
        f'<i class="s{number % 6}" style="flex:{seconds / total:.4f}" title="{escape(name)}: {minutes(seconds)}"></i>'
        for number, (name, seconds) in enumerate(parts)
    )
    legend = "".join(
        f'<li class="s{number % 6}">{escape(name)} <b>{minutes(seconds)}</b></li>'
        for number, (name, seconds) in enumerate(parts)
        if seconds >= 0.02 * total
    )
    return f'<div class="strip">{bar}</div><ul class="legend">{legend}</ul>'


def stacks(entries: Sequence[tuple[str, Sequence[float], str]], names: Sequence[str], unit: str = " s") -> str:
    """Bars of equal length, each cut into `names` by its values, with a label before and a note behind."""
    lines = "".join(_stack(label, parts, note, names, unit) for label, parts, note in entries)
    legend = "".join(f'<li class="s{number % 6}">{escape(name)}</li>' for number, name in enumerate(names))
    return f'<div class="stacks">{lines}</div><ul class="legend">{legend}</ul>'


def _stack(label: str, parts: Sequence[float], note: str, names: Sequence[str], unit: str) -> str:
    total = sum(parts) or 1.0
    bar = "".join(
        f'<i class="s{number % 6}" style="flex:{value / total:.4f}" title="{escape(name)}: {value:.1f}{unit}"></i>'
        for number, (name, value) in enumerate(zip(names, parts, strict=True))
        if value > 0
    )
    return f'<div><b>{escape(label)}</b><div class="strip">{bar}</div><small>{escape(note)}</small></div>'


def minutes(seconds: float) -> str:
    """Seconds as people say them."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
