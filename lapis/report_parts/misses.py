"""What was not good: missed goals with what lies behind them, and weak spots that nobody looked for by hand."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from lapis.eval.goals import GOALS
from lapis.report_parts.figures import DIFFERENCES, SHARES, Figure, missed, rl_stage, shown
from lapis.report_parts.inputs import Json, Run
from lapis.report_parts.page import section
from lapis.report_parts.summary import told_goal, told_interval

FEW = 12
"""Fewest answers of a group that the weak spots judge."""
WEAK = 5
"""Weak groups shown a table, and longest stages shown."""
TASKS = SHARES | {figure: task for figure, (task, _) in DIFFERENCES.items()}
"""Figure to the task whose wrong answers explain it."""


def not_good(run: Run, figures: dict[str, Figure], desk: dict[str, Figure] | None) -> str:
    """Missed goals first, then weak spots that nobody looked for by hand."""
    names = [name for name in figures if missed(name, figures[name])]
    misses = [_miss(name, figures[name], (desk or {}).get(name), _causes(run, name)) for name in names]
    spots = [f'<li class="spot">{text}</li>' for text in weak_spots(run)]
    lead = (
        "Goals that were missed, and weak spots found in the answers: "
        "groups whose whole interval lies below the task's own share."
    )
    items = "".join((*misses, *spots)) or '<li class="spot">No goal was missed and no weak group was found.</li>'
    return section("What was not good", lead, f'<ul class="weak">{items}</ul>')


def _causes(run: Run, figure: str) -> str:
    """What lies behind a miss: where answers went wrong first, the longest stages, or RL's doing by kind."""
    if figure == "wall_seconds":
        longest = sorted(run.stages, key=lambda stage: -stage.seconds)[:WEAK]
        return "longest stages: " + ", ".join(f"{stage.name} {stage.seconds:.0f} s" for stage in longest)
    if figure in ("rl_gain", "rl_length"):
        stage = rl_stage(run)
        return "by kind: " + ", ".join(_moved(stage.done)) if stage else ""
    causes: dict[str, int] = run.results.get("tasks", {}).get(TASKS.get(figure), {}).get("causes", {})
    parts = [f"{cause} {100 * count / sum(causes.values()):.0f}%" for cause, count in causes.items()]
    return "of the wrong answers: " + ", ".join(parts) if parts else ""


def _moved(done: Json) -> Iterator[str]:
    before, after = done["before"].get("kinds", {}), done["after"].get("kinds", {})
    for kind in sorted(before.keys() & after.keys()):
        yield f"{kind} {100 * before[kind]['correct']:.0f}% to {100 * after[kind]['correct']:.0f}%"


def _miss(name: str, figure: Figure, desk: Figure | None, causes: str) -> str:
    told = f"<b>{escape(GOALS[name].title)}: {shown(name, figure['value'])}</b>, goal {told_goal(name, figure)}"
    note = f"{told_interval(name, figure)}"
    if desk:
        note += f" &middot; desk: {shown(name, desk['value'])}"
    return f"<li>{told}{''.join(f'<small>{line}</small>' for line in filter(None, (note, escape(causes))))}</li>"


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
