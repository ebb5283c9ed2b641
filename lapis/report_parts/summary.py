"""The top of the report (what was reached, in cards), every figure in a table, and what was not good."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from lapis.eval.goals import GOALS
from lapis.report_parts.figures import Figure, interval, missed, shown
from lapis.report_parts.inputs import Json, Run
from lapis.report_parts.page import section, table

CARDS = (
    "wall_seconds",
    "grounding_seen",
    "math_think",
    "math_think_gain",
    "screen_math_think_gain",
    "distil_gain",
    "budget_kept",
    "rl_gain",
)
FEW = 12
"""Fewest answers of a group that the weak spots judge."""
WEAK = 5
"""Weak groups shown a table."""


def head(run: Run, figures: dict[str, Figure]) -> str:
    """Title, machine, and how many goals were reached."""
    judged = [name for name, figure in figures.items() if figure["goal"] is not None]
    reached = sum(not missed(name, figures[name]) for name in judged)
    told = f"{reached} of {len(judged)} goals reached." if judged else "No goals were measured."
    return (
        f'<p class="mark">Lapis &middot; {escape(run.recipe)}</p><h1>One run, from raw pages to a model</h1>'
        f"<p>{told} Every share below is measured on held-out data and stands with its 95% interval.</p>"
        f"<p>{escape(machine_line(run.machine))}</p>"
    )


def machine_line(machine: Json) -> str:
    """The machine's name in one line."""
    where = machine.get("gpu") or machine.get("cpu", "")
    return f"{where}, {machine.get('cores')} cores, torch {machine.get('torch')}"


def cards(figures: dict[str, Figure]) -> str:
    """The main figures: value, interval, goal, reached or missed."""
    return f'<div class="cards">{"".join(_card(name, figures[name]) for name in CARDS if name in figures)}</div>'


def _card(name: str, figure: Figure) -> str:
    tone, verdict = "", "no goal: reported"
    if figure["goal"] is not None:
        miss = missed(name, figure)
        tone = "miss" if miss else "hit"
        verdict = f"{'&#10007; missed' if miss else '&#10003; reached'} &middot; goal {_goal(name, figure)}"
    return (
        f'<div class="card {tone}"><span>{escape(GOALS[name].title)}</span><b>{shown(name, figure["value"])}</b>'
        f"<small>{_interval(name, figure)}</small><em>{verdict}</em></div>"
    )


def _interval(name: str, figure: Figure) -> str:
    if GOALS[name].unit == "seconds":
        return "wall clock, all starts of the run"
    return " &middot; ".join(filter(None, (interval(name, figure), f"n = {figure['n']}")))


def every_figure(run: Run, figures: dict[str, Figure], desk: dict[str, Figure] | None) -> str:
    """The table of `report.json`, with the desk run's figures beside it where they were given."""
    heads = ["figure", run.recipe, "n", "goal", *(["desk"] if desk else [])]
    lines = [_line(name, figures.get(name), desk) for name in GOALS if name in figures or name in (desk or {})]
    lead = "The same values as <code>report.json</code>, with their 95% intervals."
    if desk:
        lead += " The desk recipe walks the same road in two hours: what pocket's time cannot carry is reached there."
    return section("Every figure", lead, table(heads, lines))


def _line(name: str, figure: Figure | None, desk: dict[str, Figure] | None) -> list[str]:
    cells = [f"{escape(GOALS[name].title)}<small><code>{name}</code></small>", _cell(name, figure)]
    cells += [str(figure["n"]) if figure else "", _goal(name, figure)]
    return [*cells, _cell(name, desk.get(name))] if desk else cells


def _cell(name: str, figure: Figure | None) -> str:
    if figure is None:
        return ""
    tone = "" if figure.get("goal") is None else "bad" if missed(name, figure) else "ok"
    return f'<b class="{tone}">{shown(name, figure["value"])}</b><small>{interval(name, figure)}</small>'


def _goal(name: str, figure: Figure | None) -> str:
    if figure is None or figure["goal"] is None:
        return ""
    goal = shown(name, figure["goal"]).replace(".0", "")
    return f"{'&ge;' if GOALS[name].side == 'least' else '&le;'} {goal}"


def not_good(run: Run, figures: dict[str, Figure], desk: dict[str, Figure] | None) -> str:
    """Missed goals first, then weak spots that nobody looked for by hand."""
    misses = [_miss(name, figures[name], (desk or {}).get(name)) for name in figures if missed(name, figures[name])]
    spots = [f'<li class="spot">{text}</li>' for text in weak_spots(run)]
    lead = (
        "Goals that were missed, and weak spots found in the answers: "
        "groups whose whole interval lies below the task's own share."
    )
    items = "".join((*misses, *spots)) or '<li class="spot">No goal was missed and no weak group was found.</li>'
    return section("What was not good", lead, f'<ul class="weak">{items}</ul>')


def _miss(name: str, figure: Figure, desk: Figure | None) -> str:
    told = f"<b>{escape(GOALS[name].title)}: {shown(name, figure['value'])}</b>, goal {_goal(name, figure)}"
    note = f"{_interval(name, figure)}"
    if desk:
        note += f" &middot; desk: {shown(name, desk['value'])}"
    return f"<li>{told}<small>{note}</small></li>"


def weak_spots(run: Run) -> list[str]:
    """One line each: weak groups of a task, answers cut by the token limit, blind answers that are too good."""
    tasks: dict[str, Json] = run.results.get("tasks", {})
    lines = [line for name, entry in tasks.items() if not name.endswith("/blind") for line in _weak_groups(name, entry)]
    return lines + [*_cut(tasks), *_leaks(tasks)]


def _weak_groups(task: str, entry: Json) -> Iterator[str]:
    for by, groups in entry.get("groups", {}).items():
        bad = {name: group for name, group in groups.items() if group["n"] >= FEW and group["high"] < entry["value"]}
        if bad:
            worst = sorted(bad, key=lambda name: bad[name]["value"])[:WEAK]
            told = ", ".join(f"{escape(name)} {100 * bad[name]['value']:.0f}% (n = {bad[name]['n']})" for name in worst)
            yield f"<b>{escape(task)}</b> by {escape(by)}: {told}<small>all: {100 * entry['value']:.0f}%</small>"


def _cut(tasks: dict[str, Json]) -> Iterator[str]:
    for name, entry in tasks.items():
        if entry.get("overflow", 0) >= 0.02 and not name.endswith("/blind"):
            yield f"<b>{escape(name)}</b>: {100 * entry['overflow']:.0f}% of answers were cut at the token limit"


def _leaks(tasks: dict[str, Json]) -> Iterator[str]:
    for name, entry in tasks.items():
        margin = entry.get("over_blind")
        if margin and margin["low"] <= 0:
            yield (
                f"<b>{escape(name)}</b>: not clearly better than with the image swapped "
                f"({100 * margin['value']:+.1f} points, {100 * margin['low']:+.1f} to {100 * margin['high']:+.1f})"
            )
