"""What the exported model loses in other programs' formats, and what it costs there."""

from __future__ import annotations

import json
from html import escape

from lapis.eval import tables
from lapis.report_parts.inputs import Json, Run
from lapis.report_parts.page import section, table

LEAD = (
    "The exported model in llama.cpp, against the torch model in bf16: {n} held-out samples a task with 95% intervals, "
    "the loss of held-out prose, how many answers are the same to the letter, and what it took on this machine."
)


def gguf(run: Run) -> str:
    """A line a format; nothing where `lapis export --to gguf` measured none."""
    name = run.settings.get("export", {}).get("name", "export")
    path = run.folder / name / "gguf" / "report.json"
    if not path.is_file():
        return ""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    heads, rows = tables.formats(content)
    return section("Formats", LEAD.format(n=content["samples"]), table(heads, [[*map(escape, row)] for row in rows]))
