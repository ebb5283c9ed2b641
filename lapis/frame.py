"""The pieces of one frame of `lapis watch`: lines of a stage's files as small tables for a terminal.

What a stage does not write is left out, never shown as zero.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lapis.train.ledger import PARTS, Account

Json = dict[str, Any]

MEAN = 20
"""Lines that a value is the mean of, since a single step says little."""
WIDE = 24
"""Characters of a curve."""
TICKS = "▁▂▃▄▅▆▇█"
ALARMS = 6
"""Shown at most, the last ones."""
EXTRAS = ("distil", "cells", "patches", "places", "numbers", "looks")
"""Losses beside the next token's."""
NORMS = ("parameters", "gradients", "first moments", "second moments", "updates", "update share")
REWARDS = ("reward", "correct", "thought_tokens")
"""Of a stage of RL."""
STYLES = {"running": "green", "done": "cyan", "stopped": "yellow"}


def head(name: str, folder: Path, state: str, stage: str) -> Text:
    """The first line."""
    return Text.assemble((f"{name} ", "bold"), f"{folder}  ", (state, STYLES[state]), f"  {stage}")


def side_by_side(*parts: Table | None) -> Columns:
    """The tables that there are, as many in a row as the terminal holds."""
    found: list[RenderableType] = [part for part in parts if part is not None and part.row_count]
    return Columns(found, padding=(1, 3))


def spark(values: Sequence[float]) -> str:
    """A curve in one line, lowest to highest; each character is the mean of a slice."""
    size = -(-len(values) // WIDE) or 1
    means = [_mean(values[at : at + size]) for at in range(0, len(values), size)]
    low, high = min(means, default=0.0), max(means, default=0.0)
    return "".join(TICKS[round((value - low) / ((high - low) or 1.0) * (len(TICKS) - 1))] for value in means)


def numbers(lines: Sequence[Json], entry: Json, spent: Account | None) -> Table:
    """Where the stage is, how fast it goes, its rates, its place in the data, and where its time went."""
    table = _table(entry["name"], ("", ""))
    if lines:
        table.add_row("step", f"{lines[-1]['step']:,} of {entry['steps']:,}")
        for key, value in _speed(lines[-MEAN:]):
            table.add_row(key, value)
        _spread(table, "rate", lines[-1].get("rates", {}), "{:.2e}")
        _spread(table, "passes", lines[-1].get("passes", {}), "{:.2f}")
    if spent is not None:
        table.add_row("goodput", f"{spent.goodput:.1%}")
        _spread(table, "time", {name: getattr(spent, name) for name in PARTS}, "{:.1f} s")
        for seconds in spent.back:
            table.add_row("death to next step", f"{seconds:.1f} s")
    return table


def _speed(lines: Sequence[Json]) -> Iterable[tuple[str, str]]:
    """Means over lines, of what they hold."""
    for key, form in (("loss", "{:.4f}"), ("grad_norm", "{:.3g}"), *((name, "{:.3f}") for name in REWARDS)):
        if values := _column(lines, key):
            yield key, form.format(_mean(values))
    seconds = sum(_column(lines, "seconds"))
    if seconds:
        yield "tokens/s", f"{sum(_column(lines, 'tokens')) / seconds:,.0f}"
    for key, name in (("mfu", "MFU"), ("imbalance", "imbalance")):
        if values := _column(lines, key):
            yield name, f"{_mean(values):.1%}"


def _spread(table: Table, title: str, values: Json, form: str) -> None:
    for name, value in values.items():
        table.add_row(f"{title} {name}", form.format(value))


def losses(lines: Sequence[Json], done: Json) -> Table:
    """Loss by kind of data, the losses beside it, and the last held-out ones: recent mean and curve."""
    table = _table("loss", ("kind", "last", "curve"))
    kinds = sorted({kind for line in lines for kind in line.get("kinds", {})})
    curves = {kind: [line["kinds"][kind] for line in lines if kind in line.get("kinds", {})] for kind in kinds}
    curves |= {f"({name})": _column(lines, name) for name in EXTRAS}
    for name, values in curves.items():
        if values:
            table.add_row(name, f"{_mean(values[-MEAN:]):.4f}", spark(values))
    held = [line["heldout"] for line in lines if "heldout" in line] or [done.get("heldout", {})]
    for name, value in held[-1].items():
        table.add_row(f"held out: {name}", f"{value:.4f}", spark([one[name] for one in held if name in one]))
    return table


def norms(lines: Sequence[Json]) -> Table | None:
    """L2 norms by module as last measured."""
    measured = [line for line in lines if line.get("norms")]
    if not measured:
        return None
    table = _table(f"norms at step {measured[-1]['step']:,}", ("module", *NORMS))
    for module, values in measured[-1]["norms"].items():
        table.add_row(module, *(f"{values[name]:.3g}" for name in NORMS))
    return table


def online(lines: Sequence[Json]) -> Table:
    """The evaluation beside training: last score with its interval, and the curve."""
    table = _table("evaluation beside training", ("task", "step", "score", "95%", "n", "curve"))
    for task in dict.fromkeys(f"{line['task']}/{line['mode']}" for line in lines):
        own = [line for line in lines if f"{line['task']}/{line['mode']}" == task]
        last = own[-1]
        between = f"{last['low']:.0%} to {last['high']:.0%}"
        curve = spark([line["score"] for line in own])
        table.add_row(task, f"{last['step']:,}", f"{last['score']:.1%}", between, str(last["n"]), curve)
    return table


def alarms(lines: Sequence[Json]) -> Table:
    """The last alarms of all stages."""
    table = _table("alarms", ("when", "stage", "step", "what"))
    for line in sorted(lines, key=lambda one: float(one["at"]))[-ALARMS:]:
        when = time.strftime("%H:%M:%S", time.localtime(line["at"]))
        table.add_row(when, line["stage"], f"{line['step']:,}", Text(line["alarm"], style="yellow"))
    return table


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.show_header = any(heads)
    for number, name in enumerate(heads):
        words = number == 0 or name in ("curve", "what", "stage")
        table.add_column(name, justify="left" if words else "right", header_style="dim", no_wrap=name != "what")
    return table


def _column(lines: Sequence[Json], key: str) -> list[float]:
    return [float(line[key]) for line in lines if isinstance(line.get(key), int | float)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
