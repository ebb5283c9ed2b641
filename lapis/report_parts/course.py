"""How training went: scores measured beside it, where each stage's time went, and its alarms."""

from __future__ import annotations

from html import escape

from lapis.eval.tasks import ALL
from lapis.report_parts import charts
from lapis.report_parts.charts import Series
from lapis.report_parts.inputs import Json, Run, Stage
from lapis.report_parts.page import section, table

SPENT = ("productive", "checkpoint", "restart", "lost", "other")
"""Parts of a stage's account, in the order in which they are drawn."""
ALARMS = 20
"""Most alarms of a stage in the table, the last ones."""


def beside(run: Run) -> str:
    """A chart a stage: the score of each task at the steps whose snapshots were measured while it trained."""
    drawn = [charts.lines(_scores(stage), stage.name, "step", percent=True, y_range=(0, 1)) for stage in run.stages]
    pictures = "".join(drawn)
    lead = (
        "Snapshots of the weights, measured on a few held-out samples by another process while training went on. The "
        "band is the 95% interval; steps without a point came while the one before was still being measured."
    )
    return section("Beside training", lead, f'<div class="grid two">{pictures}</div>' if pictures else "")


def _scores(stage: Stage) -> list[Series]:
    titles = {task.name: task.title for task in ALL}
    found: dict[str, list[Json]] = {}
    for line in stage.online:
        thinking = ", thinking" if line["mode"] == "think" else ""
        name = f"{titles.get(line['task'], line['task'])}{thinking}, n = {line['n']}"
        found.setdefault(name, []).append(line)
    return [
        Series(
            name,
            [(line["step"], line["score"]) for line in lines],
            [(line["step"], line["low"], line["high"]) for line in lines],
            dots=True,
        )
        for name, lines in found.items()
    ]


def goodput(run: Run) -> str:
    """A bar a training stage: seconds that count, and those that went elsewhere; deaths and the way back."""
    kept = [stage for stage in run.stages if stage.done.get("time")]
    bars = charts.stacks([(stage.name, _spent(stage.done["time"]), _note(stage.done["time"])) for stage in kept], SPENT)
    lead = (
        "Wall time of each training stage over all its starts. Goodput is the share of it that went into steps that "
        "count; lost are steps since the last checkpoint before a death, and other is what held-out losses, snapshots "
        "and waiting for their scores took."
    )
    return section("Where training's time went", lead, bars if kept else "", _alarms(run))


def _spent(time: Json) -> list[float]:
    return [float(time[name]) for name in SPENT]


def _note(time: Json) -> str:
    back = ", ".join(f"{seconds:.1f} s" for seconds in time["back"])
    whole = f"{100 * time['goodput']:.1f}% of {charts.minutes(time['wall'])}"
    return f"{whole}; from death to the next step {back}" if back else whole


def _alarms(run: Run) -> str:
    heads = ["stage", "step", "alarm"]
    lines = [
        [escape(stage.name), f"{line['step']:,}", escape(line["alarm"])]
        for stage in run.stages
        for line in stage.alarms[-ALARMS:]
    ]
    return f"<h3>Alarms</h3>{table(heads, lines, text=(0, 2))}" if lines else ""
