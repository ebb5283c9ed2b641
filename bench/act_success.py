"""How often a model reaches a goal on real pages: held-out tasks in a Chromium, judged by the page's own state.

With a run, its exported model; without, the model of a smoke run, which has learnt next to nothing. The baseline taps
anywhere; one who knows each page's way shows that every task can be done. `--full` drives ten times as many tasks, at
both pixel densities.

python -m bench.act_success [run=FOLDER] [--full]
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.parts.line import run_of, say
from lapis import cli, terminal
from lapis.act import draw, loop
from lapis.act.step import How
from lapis.named import model_folder

TASKS, SEED, GOAL = 45, 0, 0.3
"""Tasks, each template as often as the others; their set; the goal is ours, several times what chance reaches."""
SHEET = Path("runs") / "act_success.png"


def measured(agent: loop.Agent, name: str, count: int, scale: float) -> tuple[dict[str, Any], list[loop.Episode]]:
    """One agent on all tasks, told in a line."""
    episodes = loop.drive(agent, SEED, count, scale=scale)
    found = loop.report(episodes)
    share = found["success"]
    by = ", ".join(f"{template} {one['value']:.0%}" for template, one in found["templates"].items())
    print(
        f"{name}, {scale:g} pixels a CSS pixel: {share['value']:.0%} ({share['low']:.0%} to {share['high']:.0%}, "
        f"n = {share['n']}), {found['steps']:.1f} steps a task, {found['invalid']} invalid; {by}"
    )
    return found, episodes


def compared(folder: Path, full: bool) -> None:
    """The model beside who knows the way and who does not."""
    count, scales = (TASKS * 10, (1.0, 2.0)) if full else (TASKS, (1.0,))
    model = loop.model(terminal.engine(folder), How())
    for scale in scales:
        known, _ = measured(loop.oracle, "who knows the way", count, scale)
        blind, _ = measured(loop.chance(SEED), "taps anywhere", count, scale)
        found, episodes = measured(model, "the model", count, scale)
    if known["success"]["value"] < 1:
        raise SystemExit("act_success: a task could not be done by who knows the way")
    if found["invalid"]:
        raise SystemExit(f"act_success: {found['invalid']} steps of the model were no actions")
    draw.save(loop.contact_sheet(episodes), SHEET)
    print(f"steps of some tasks: {SHEET}")
    unit = "share of held-out tasks on real pages whose goal is reached; the baseline taps anywhere"
    say("act_success", found["success"]["value"], GOAL, unit, blind["success"]["value"])


def main() -> None:
    run, full = run_of(sys.argv[1:]), "--full" in sys.argv
    if run is not None:
        compared(model_folder(str(run)), full)
        return
    with TemporaryDirectory() as folder:
        made = Path(folder) / "run"
        if cli.main(["run", "pocket", "--smoke", f"out={made}"]):
            raise SystemExit("act_success: the smoke run failed")
        compared(model_folder(str(made)), full)


if __name__ == "__main__":
    main()
