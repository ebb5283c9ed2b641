"""What low precision costs: the forms of an exported program beside the model, as `lapis export` measured them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from lapis.report_parts.inputs import Run
from lapis.report_parts.page import section, table

LEAD = (
    "Each form answers the same held-out questions. Differences to the reference are paired, with their 95% interval "
    "in points; loss is that of the right answers. The last line is the program itself in its own runtime."
)


def forms(run: Run) -> str:
    """A table a program of the run's export folder; nothing where none was measured."""
    folder = run.folder / str(run.settings.get("export", {}).get("name", "export"))
    parts = []
    for path in sorted(folder.glob("*/report.json")):
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if "forms" in told.get("quality", {}):
            parts.append(f"<h3>{escape(path.parent.name)}</h3>{_table(told['quality'])}")
    return section("Low precision", LEAD, *parts)


def _table(told: Mapping[str, Any]) -> str:
    tasks = list(next(iter(told["forms"].values()))["tasks"])
    heads = ["form", "loss", "more", "cosine of logits", "s a question", *tasks]
    lines = []
    for name, form in told["forms"].items():
        cells = [escape(name), f"{form['loss']:.3f}", f"{form['loss_more']['value']:+.1%}"]
        cells += [f"{form['cosine']['mean']:.4f}", f"{form['seconds']:.3f}"]
        lines.append(cells + [_cell(form["tasks"][task], name == told["reference"]) for task in tasks])
    return table(heads, lines)


def _cell(task: Mapping[str, Any], reference: bool) -> str:
    beside = task if reference else task["more"]
    low, high = (f"{100 * beside[side]:{'.0f' if reference else '+.0f'}}" for side in ("low", "high"))
    more = "" if reference else f", {100 * beside['value']:+.0f}"
    return f"{task['value']:.0%}{more} <i>({low} to {high})</i>"
