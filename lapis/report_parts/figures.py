"""The figures that outsiders read: name -> value, 95% interval, number of cases, goal.

A stage that did not run gives no figure: an absent name means "not measured", never zero.
"""

from __future__ import annotations

from typing import Any

from lapis.eval.goals import GOALS
from lapis.eval.stats import Interval, relative, wilson
from lapis.report_parts.inputs import Json, Run, Stage

Figure = dict[str, float | int | None]

SHARES = {
    "grounding_seen": "ground_seen/direct",
    "grounding_unseen": "ground_unseen/direct",
    "math_think": "math/think",
    "math_direct": "math/direct",
    "screen_math_think": "screen_math_seen/think",
    "screen_math_direct": "screen_math_seen/direct",
    "act_seen": "act_seen/direct",
    "act_unseen": "act_unseen/direct",
    "grounding_seen_blind": "ground_seen/direct/blind",
    "grounding_unseen_blind": "ground_unseen/direct/blind",
    "screen_math_think_blind": "screen_math_seen/think/blind",
    "screen_math_direct_blind": "screen_math_seen/direct/blind",
    "act_seen_blind": "act_seen/direct/blind",
}
"""Figure to the evaluation's (task, mode)."""

DIFFERENCES = {
    "math_think_gain": ("math/think", "over_direct"),
    "screen_math_think_gain": ("screen_math_seen/think", "over_direct"),
    "grounding_seen_over_blind": ("ground_seen/direct", "over_blind"),
}


def figures(run: Run) -> dict[str, Figure]:
    """Every figure that this run can give, in the order of `goals.GOALS`."""
    found = _timing(run) | _shares(run) | _differences(run) | _distil(run) | _budget(run) | _needles(run) | _rl(run)
    known = [name for name in GOALS if name in found]
    return {name: found[name] | {"goal": GOALS[name].of(run.recipe)} for name in known}


def missed(name: str, figure: Json) -> bool:
    """A goal exists and the value does not reach it, or there is no value: a rise from nothing has none."""
    if figure["value"] is None:
        return figure["goal"] is not None
    return GOALS[name].hit(figure["value"], figure["goal"]) is False


def _timing(run: Run) -> dict[str, Figure]:
    seconds = run.wall_seconds
    if seconds is None:
        return {}
    return {"wall_seconds": Interval(seconds, seconds, seconds, 1).entry()}


def _shares(run: Run) -> dict[str, Figure]:
    tasks = run.results.get("tasks", {})
    return {name: _pick(tasks[task]) for name, task in SHARES.items() if task in tasks}


def _differences(run: Run) -> dict[str, Figure]:
    tasks = run.results.get("tasks", {})
    pairs = {name: tasks.get(task, {}).get(key) for name, (task, key) in DIFFERENCES.items()}
    return {name: _pick(value) for name, value in pairs.items() if value}


def _pick(entry: Json) -> Figure:
    return {key: entry[key] for key in ("value", "low", "high", "n")}


def _budget(run: Run) -> dict[str, Figure]:
    curves: Json = run.results.get("budgets", {})
    points = [point for curve in curves.values() for side in ("points", "cut") for point in curve.get(side, ())]
    if not points:
        return {}
    kept = wilson(sum(point["kept"] for point in points), sum(point["n"] for point in points))
    rises = {f"budget_rise_{name}": _pick(curve["rise"]) for name, curve in curves.items()}
    over_cut = {f"budget_trained_{name}": curve["trained"] for name, curve in curves.items() if "trained" in curve}
    return {"budget_kept": kept.entry()} | rises | {name: _pick(found) for name, found in over_cut.items()}


def _needles(run: Run) -> dict[str, Figure]:
    """At the longest length, before and after the last stage that lengthens positions."""
    stages: Json = run.results.get("needles", {})
    if not stages:
        return {}
    sides = list(stages.values())[-1]
    return {f"needles_{side}": _pick(list(lengths.values())[-1]) for side, lengths in sides.items()}


def distilled(run: Run) -> list[Stage]:
    """The distillation stages in their order; the last one's model is the student."""
    return [stage for stage in run.stages if stage.name.startswith("distil") and stage.heldout]


def scratches(run: Run) -> list[Stage]:
    """The same student trained from scratch, one stage a learning rate."""
    return [stage for stage in run.stages if stage.name.startswith("scratch") and stage.heldout]


def text_loss(stage: Stage) -> float:
    """Held-out loss on prose; the mean over its kinds where prose is not among them. Nats a token."""
    losses = stage.heldout
    return losses["prose"] if "prose" in losses else sum(losses.values()) / len(losses)


def _distil(run: Run) -> dict[str, Figure]:
    """Measured per document by the evaluation, with an interval; else from the stages' own held-out losses."""
    measured = run.results.get("distil")
    if measured:
        return {"distil_gain": _pick(measured["gain"])}
    students, rivals = distilled(run), scratches(run)
    if not students or not rivals:
        return {}
    gain = 1 - text_loss(students[-1]) / min(map(text_loss, rivals))
    return {"distil_gain": {"value": gain, "low": None, "high": None, "n": 1}}


def rl_stage(run: Run) -> Stage | None:
    """The RL stage with its held-out figures before and after."""
    return next((stage for stage in run.stages if "before" in stage.done and "after" in stage.done), None)


def _rl(run: Run) -> dict[str, Figure]:
    stage = rl_stage(run)
    if stage is None:
        return {}
    before, after = stage.done["before"]["each"], stage.done["after"]["each"]
    names = {"rl_gain": "correct", "rl_gain_greedy": "greedy", "rl_length": "thought_tokens"}
    return {figure: relative(after[name], before[name]).entry() for figure, name in names.items() if name in before}


def rl_total(side: Json) -> dict[str, float]:
    """The numbers over all kinds of one side, before or after."""
    return {name: float(value) for name, value in side.items() if isinstance(value, int | float)}


def interval(name: str, figure: Json) -> str:
    """A figure's interval as people read it; empty where it has none."""
    if (figure["low"] is None and figure["high"] is None) or GOALS[name].unit == "seconds":
        return ""
    low, high = ("without limit" if figure[side] is None else shown(name, figure[side]) for side in ("low", "high"))
    return f"{low.removesuffix(' points')} to {high}"


def shown(name: str, value: Any) -> str:
    """A figure's value as people read it."""
    if value is None:
        return "from nothing"
    unit = GOALS[name].unit
    if unit == "seconds":
        return f"{value / 60:.1f} min"
    if unit == "share":
        return f"{100 * value:.1f}%"
    return f"{100 * value:+.1f}" + ("%" if unit == "change" else " points")
