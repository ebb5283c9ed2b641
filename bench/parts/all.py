"""Run benches one after the other, and write bench/RESULTS.md from the lines that they end with.

A line stays until the same bench is run again: `bench/results/lines.jsonl` keeps the newest of each, with its day and
with what it printed before it. That of a full run stays until the next full one: a small run is only shown then.

python -m bench.parts.all [NAME ...] [run=FOLDER] [--full]

`run=` and `--full` go to each of them.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
LINES, PAGE = HERE / "results" / "lines.jsonl", HERE / "RESULTS.md"
HEAD = """# Results of the benches

Written by `make bench` (`python -m bench.parts.all`) from the line that each ends with. A value is a ratio or a share,
of two things measured in one run; the baseline is the same of what it is compared with.

| bench | value | goal | baseline | of what | day, machine |
| --- | --- | --- | --- | --- | --- |
"""


def names() -> list[str]:
    """All benches: the files of bench/."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "__init__")


def measure(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Run one, show what it prints, and return its line with what stood before it."""
    began = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-m", f"bench.{name}", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"bench.{name}: ended with code {done.returncode}")
    *told, last = done.stdout.strip().split("\n")
    today, seconds = datetime.date.today().isoformat(), round(time.monotonic() - began)
    line: dict[str, Any] = json.loads(last)
    return line | {"day": today, "seconds": seconds, "told": told, "full": is_full(name, words)}


def is_full(name: str, words: Sequence[str]) -> bool:
    """Whether a bench that knows --full was told so; others have one size."""
    return "--full" in words and "[--full]" in (HERE / f"{name}.py").read_text(encoding="utf-8")


def takes(lines: Mapping[str, Mapping[str, Any]], line: Mapping[str, Any]) -> bool:
    """Whether a line is recorded: one of a small run does not take the place of a full one's."""
    return bool(line["full"] or not lines.get(line["name"], {}).get("full"))


def page(lines: dict[str, dict[str, Any]]) -> str:
    """The page of all lines."""
    rows, notes = [], []
    for name, line in sorted(lines.items()):
        goal = "" if line["goal"] is None else f"{line['goal']:g}"
        met = "" if line["goal"] is None or line["value"] >= line["goal"] else ", missed"
        figures = f"{line['value']:g} | {goal}{met} | {line['baseline']:g}"
        rows.append(f"| {name} | {figures} | {line['unit']} | {line['day']}, {line['machine']} |\n")
        notes += [f"\n**{name}** ({line['seconds']} s)\n\n", *(f"    {text}\n" for text in line["told"])]
    return HEAD + "".join(rows) + "\n## What they printed\n" + "".join(notes)


def main() -> None:
    kept = [json.loads(text) for text in LINES.read_text().splitlines()] if LINES.is_file() else []
    lines = {line["name"]: line for line in kept}
    words = [word for word in sys.argv[1:] if word.startswith(("run=", "--"))]
    for name in [word for word in sys.argv[1:] if word not in words] or names():
        line = measure(name, words)
        if not takes(lines, line):
            print(f"{line['name']}: not recorded, the line of the full run stays; --full makes another")
            continue
        lines[line["name"]] = line
        LINES.write_text("".join(json.dumps(lines[name]) + "\n" for name in sorted(lines)), encoding="utf-8")
        PAGE.write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
