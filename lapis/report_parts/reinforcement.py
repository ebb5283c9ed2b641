"""What RL changed: held-out correctness and length before and after, rewards by task, and who did what when."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lapis.eval.stats import wilson
from lapis.report_parts import charts
from lapis.report_parts.charts import Series
from lapis.report_parts.figures import rl_stage, rl_total
from lapis.report_parts.inputs import Json, Run, Stage
from lapis.report_parts.page import section, table
from lapis.report_parts.processes import processes

CURVES = (
    ("reward", "mean reward of the sampled answers", False),
    ("correct", "sampled answers that are right", True),
    ("thought_tokens", "mean tokens of thought", False),
)
TASKS = 6
"""Most tasks in one chart, those with the most questions."""


def reinforcement(run: Run) -> str:
    """The whole section; nothing where no RL has run."""
    stage = rl_stage(run)
    if stage is None:
        return ""
    before, after = rl_total(stage.done["before"]), rl_total(stage.done["after"])
    greedy = [_greedy(stage.done[side]) for side in ("before", "after")]
    boxes = "".join(
        (
            _from_to("held-out questions right", before["correct"], after["correct"], percent=True),
            _from_to("greedy answers right", greedy[0], greedy[1], percent=True),
            _from_to("mean reward", before.get("reward"), after.get("reward")),
            _from_to("mean tokens of thought", before["thought_tokens"], after["thought_tokens"]),
        )
    )
    lead = (
        f"SFT's model before, the policy after, on {before['n']:.0f} held-out prompts, by answers drawn as in the "
        "stage itself: their reward is what it raises. Nothing but correctness counts in the first two boxes; greedy "
        "answers are those of every other table. In the picture of accuracy against thought each task goes from its "
        "empty ring to its full one: up is more right, left is shorter; whiskers are 95% intervals."
    )
    pictures = f'<div class="grid">{_moves(stage)}{_rewards(stage)}{_curves(stage)}</div>'
    parts = (f'<div class="pair">{boxes}</div>', pictures, _kinds(stage), processes(run.folder / stage.name))
    return section("Reinforcement learning", lead, *parts)


def _greedy(side: Json) -> float | None:
    right: list[float] = side["each"].get("greedy", [])
    return sum(right) / len(right) if right else None


def _from_to(title: str, before: float | None, after: float | None, percent: bool = False) -> str:
    if before is None or after is None:
        return ""

    def text(value: float) -> str:
        return f"{100 * value:.1f}%" if percent else f"{value:.3g}"

    return f'<div class="from"><span>{title}</span><b><u>{text(before)} &rarr;</u> {text(after)}</b></div>'


def _curves(stage: Stage) -> str:
    return "".join(
        charts.lines([Series(title, charts.smooth(_column(stage.metrics, key), 60))], title, "step", percent=percent)
        for key, title, percent in CURVES
    )


def _column(lines: Sequence[Json], key: str) -> list[tuple[float, float]]:
    return [(line["step"], line[key]) for line in lines if isinstance(line.get(key), int | float)]


def _rewards(stage: Stage) -> str:
    """The mean reward of each task's sampled answers, step by step."""
    tasks = sorted({task for line in stage.metrics for task in line.get("rewards", {})})
    by_step = [{"step": line["step"], **line.get("rewards", {})} for line in stage.metrics]
    columns = {task: _column(by_step, task) for task in tasks}
    most = sorted(tasks, key=lambda task: -len(columns[task]))[:TASKS]
    series = [Series(task, charts.smooth(columns[task], 60)) for task in sorted(most)]
    return charts.lines(series, "mean reward by task", "step")


def _moves(stage: Stage) -> str:
    """Accuracy against thought length: all questions, and each task's, from before to after."""
    before, after = stage.done["before"], stage.done["after"]
    kinds = _both(stage)
    chosen = sorted(sorted(kinds, key=lambda kind: -before["kinds"][kind]["n"])[: TASKS - 1])
    pairs = [("all", before, after)] if len(kinds) != 1 else []
    pairs += [(kind, before["kinds"][kind], after["kinds"][kind]) for kind in chosen]
    return charts.moves([_move(*pair) for pair in pairs], "accuracy against thought", "mean tokens of thought")


def _move(name: str, before: Json, after: Json) -> Series:
    """An interval counts questions, not answers to them: answers to one question are not apart from each other."""
    sides = [(float(side["thought_tokens"]), float(side["correct"]), int(side["n"])) for side in (before, after)]
    intervals = [(x, wilson(share * n, n)) for x, share, n in sides]
    return Series(name, [(x, y) for x, y, _ in sides], [(x, one.low, one.high) for x, one in intervals])


def _both(stage: Stage) -> list[str]:
    """Tasks that were measured before and after."""
    before, after = (stage.done[side].get("kinds", {}) for side in ("before", "after"))
    return sorted(before.keys() & after.keys())


def _kinds(stage: Stage) -> str:
    before, after = stage.done["before"].get("kinds", {}), stage.done["after"].get("kinds", {})
    lines = [
        [escape(kind), f"{before[kind]['n']:.0f}"]
        + [f"{100 * side[kind]['correct']:.1f}%" for side in (before, after)]
        + [f"{side[kind]['reward']:.3f}" if "reward" in side[kind] else "" for side in (before, after)]
        + [f"{side[kind]['thought_tokens']:.1f}" for side in (before, after)]
        for kind in _both(stage)
    ]
    columns = [f"{what} {when}" for what in ("right", "reward", "thought") for when in ("before", "after")]
    return f"<h3>By task</h3>{table(['task', 'n', *columns], lines)}" if lines else ""
