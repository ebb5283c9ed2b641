"""Tables of what exports lose: Markdown for the READMEs beside them, and a line a format for these and the report"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

COLUMNS = ("MB", "MB in memory", "loss", "answers as bf16", "tokens/s", "tokens/s, 4 at once", "first token, s")


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a table."""
    yield _line(heads)
    yield _line(["---"] * len(heads))
    yield from map(_line, rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def formats(content: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of what eval/formats.py measured (its report.json), a row a format; empty where nothing is."""
    tasks = list(content["formats"][content["baseline"]]["tasks"])
    rows = [[form, *_format(each, tasks)] for form, each in content["formats"].items()]
    return ["format", *tasks, *COLUMNS], rows


def _format(each: Mapping[str, Any], tasks: Sequence[str]) -> Iterator[str]:
    for task in tasks:
        yield "{:.0f}% ({:.0f}-{:.0f})".format(*(100 * each["tasks"][task][side] for side in ("value", "low", "high")))
    yield f"{each['megabytes']:.1f}"
    yield f"{each['memory_megabytes']:.0f}" if each.get("memory_megabytes") else ""
    yield f"{each['loss']:.4f}" if each["loss"] is not None else ""
    yield f"{100 * each['same']:.0f}%"
    yield f"{each['tokens_a_second']:.0f}"
    yield f"{each['tokens_a_second_together']:.0f}"
    yield f"{each['first_token']:.3f}" if each["first_token"] is not None else ""
