"""The top of the report: what was reached, in cards, and every figure in a table."""

from __future__ import annotations

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
        verdict = f"{'&#10007; missed' if miss else '&#10003; reached'} &middot; goal {told_goal(name, figure)}"
    return (
        f'<div class="card {tone}"><span>{escape(GOALS[name].title)}</span><b>{shown(name, figure["value"])}</b>'
        f"<small>{told_interval(name, figure)}</small><em>{verdict}</em></div>"
    )


def told_interval(name: str, figure: Figure) -> str:
    """A figure's interval and number of cases."""
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
    cells += [str(figure["n"]) if figure else "", told_goal(name, figure)]
    return [*cells, _cell(name, desk.get(name))] if desk else cells


def _cell(name: str, figure: Figure | None) -> str:
    if figure is None:
        return ""
    tone = "" if figure.get("goal") is None else "bad" if missed(name, figure) else "ok"
    return f'<b class="{tone}">{shown(name, figure["value"])}</b><small>{interval(name, figure)}</small>'


def told_goal(name: str, figure: Figure | None) -> str:
    """A figure's goal with its side; empty where it has none."""
    if figure is None or figure["goal"] is None:
        return ""
    goal = shown(name, figure["goal"]).replace(".0", "")
    return f"{'&ge;' if GOALS[name].side == 'least' else '&le;'} {goal}"
