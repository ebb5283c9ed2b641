"""The report of a run: `report.html`, which needs no other file, and `report.json` with the figures.

Unusual: it can be built at any moment of a run. What has not run yet is left out, never shown as zero.
"""

from __future__ import annotations

import json
from pathlib import Path

from lapis import files
from lapis.report_parts import answers, course, formats, forms, misses, reinforcement, summary, training
from lapis.report_parts.figures import Figure, figures
from lapis.report_parts.inputs import Json, Run, Stage, read_run
from lapis.report_parts.page import Section, page
from lapis.types import InputError

DESK = Path(__file__).parents[1] / "bench" / "results" / "desk.json"
"""The committed figures of a desk run; an installed package has none."""


def build(run: Path, desk: Path = DESK) -> None:
    """Write report.html and report.json into the run folder; `desk` names figures of a desk run to stand beside.

    Raises InputError where there is no run, or `desk` is no file of figures.
    """
    if not run.is_dir():
        raise InputError(f"{run}: no run there")
    read = read_run(run)
    found = figures(read)
    beside = _desk(desk) if read.recipe != "desk" and desk.is_file() else None
    content = {
        "recipe": read.recipe,
        "machine": read.machine,
        "figures": found,
        "weak_spots": misses.weak_spots(read),
        "stages": [_stage(stage) for stage in read.stages],
    }
    files.write(run / "report.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    files.write(run / "report.html", html(read, found, beside))


def html(run: Run, found: dict[str, Figure], desk: dict[str, Figure] | None) -> str:
    """The whole page."""
    sections: list[Section] = [
        ("top", "", summary.cards(found)),
        ("accuracy", "Accuracy", answers.accuracy(run)),
        ("pointing", "Pointing", answers.pictures(run)),
        ("budget", "Budget", answers.budget(run)),
        ("long", "Long", answers.found(run)),
        ("thoughts", "Thoughts", answers.thoughts(run)),
        ("not-good", "What was not good", misses.not_good(run, found, desk)),
        ("stages", "Stages", training.stages(run)),
        ("losses", "Losses", training.losses(run)),
        ("beside", "Beside training", course.beside(run)),
        ("goodput", "Goodput", course.goodput(run)),
        ("distillation", "Distillation", training.distillation(run)),
        ("rl", "RL", reinforcement.reinforcement(run)),
        ("forms", "Low precision", forms.forms(run)),
        ("cost", "Cost", training.cost(run)),
        ("formats", "Formats", formats.gguf(run)),
        ("data", "Data", training.data(run)),
        ("figures", "Every figure", summary.every_figure(run, found, desk)),
    ]
    foot = "Made by <code>lapis report</code>. Lapis is an independent re-creation of a published recipe."
    return page(f"Lapis {run.recipe}", summary.head(run, found), sections, foot)


def _stage(stage: Stage) -> Json:
    kept: Json = {key: stage.done[key] for key in ("steps", "tokens", "loss", "heldout") if key in stage.done}
    if "time" in stage.done:
        kept["goodput"] = stage.done["time"]["goodput"]
    return {"name": stage.name, "seconds": stage.seconds, **kept}


def _desk(path: Path) -> dict[str, Figure]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Figure] = content.get("figures", content)
        return {name: figure for name, figure in found.items() if "value" in figure}
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{path}: no figures there, expected the form of report.json") from None
