"""What the exported model loses in other programs' formats, and what it costs there."""

from __future__ import annotations

import json
from html import escape

from lapis.report_parts.inputs import Json, Run
from lapis.report_parts.page import section, table

LEAD = (
    "The exported model in llama.cpp, against the torch model in bf16: {n} held-out samples a task with 95% intervals, "
    "the loss of held-out prose, how many answers are the same to the letter, and what it took on this machine."
)
HEADS = ("MB", "MB in memory", "loss", "same", "tokens/s", "4 at once", "first token, ms")


def gguf(run: Run) -> str:
    """A line a format; nothing where `lapis export --to gguf` measured none."""
    name = run.settings.get("export", {}).get("name", "export")
    path = run.folder / name / "gguf" / "report.json"
    if not path.is_file():
        return ""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    tasks = list(content["formats"][content["baseline"]]["tasks"])
    lines = [[escape(form), *_cells(each, tasks)] for form, each in content["formats"].items()]
    return section("Formats", LEAD.format(n=content["samples"]), table(["format", *tasks, *HEADS], lines))


def _cells(each: Json, tasks: list[str]) -> list[str]:
    shares = [each["tasks"][task] for task in tasks]
    told = [f"{one['value']:.0%} ({100 * one['low']:.0f}-{100 * one['high']:.0f})" for one in shares]
    memory, loss, first = each.get("memory_megabytes"), each["loss"], each["first_token"]
    return [
        *told,
        f"{each['megabytes']:.1f}",
        f"{memory:.0f}" if memory else "",
        f"{loss:.4f}" if loss is not None else "",
        f"{each['same']:.0%}",
        f"{each['tokens_a_second']:.0f}",
        f"{each['tokens_a_second_together']:.0f}",
        f"{1000 * first:.0f}" if first is not None else "",
    ]
