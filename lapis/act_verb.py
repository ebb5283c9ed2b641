"""What `lapis act` does: one step on a picture, or tasks in a real Chromium page, with any model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lapis import actions
from lapis.named import model_folder
from lapis.types import Generator, Image, InputError

SEED = 0
"""Of the tasks: the same ones for every model."""


def act(words: argparse.Namespace) -> None:
    """One step towards a goal on a picture; with --browse tasks on real pages."""
    folder = model_folder(words.model)
    _check(words)
    if words.browse:
        _browse(folder, words)
    else:
        _step(folder, words)


def _check(words: argparse.Namespace) -> None:
    for name, least in (("budget", -1), ("tasks", 1), ("steps", 1)):
        if getattr(words, name) < least:
            raise InputError(f"--{name} {getattr(words, name)}: expected {least} or more")
    if words.budget >= 0 and not words.think:
        raise InputError("--budget: expected --think with it")
    if not words.browse and not (words.image and words.goal):
        raise InputError("act: expected --image and --goal, or --browse")
    if words.browse and (words.image or words.goal):
        raise InputError("--browse: brings its own screens and goals; expected neither --image nor --goal with it")


def _step(folder: Path, words: argparse.Namespace) -> None:
    from lapis.act import draw
    from lapis.act.step import decide
    from lapis.verbs import read_image

    image: Image = read_image(words.image)
    found = decide(_engine(folder), words.goal, image, _how(words))
    if found.action is None:
        raise InputError(f"{folder}: wrote no action ({found.error})")
    out = words.out or Path("act.png")
    draw.save(draw.picture(image, found.action), out)
    if words.json:
        said = {"thought": found.thought, "action": json.loads(actions.write(found.action)), "picture": str(out)}
        print(json.dumps(said, ensure_ascii=False))
        return
    print("\n".join(line for line in (found.thought, actions.write(found.action), str(out)) if line))


def _browse(folder: Path, words: argparse.Namespace) -> None:
    from lapis.act import draw, loop
    from lapis.progress import Bars, Task

    agent = loop.model(_engine(folder), _how(words))
    with Bars([Task("tasks", 0)], {}) as bars, bars.stage("tasks", words.tasks) as progress:
        episodes = loop.drive(agent, SEED, words.tasks, words.steps, words.scale, progress)
    found = loop.report(episodes)
    out = words.out or Path("act.png")
    draw.save(loop.contact_sheet(episodes), out)
    print(json.dumps({**found, "picture": str(out)}) if words.json else "\n".join([*_lines(found), str(out)]))


def _lines(found: dict[str, Any]) -> list[str]:
    """One line a template, then all of them."""
    shares = {**found["templates"], "all": found["success"]}
    lines = [
        f"{name:<10} {100 * one['value']:5.1f}%  ({100 * one['low']:.1f} to {100 * one['high']:.1f}, n = {one['n']})"
        for name, one in shares.items()
    ]
    return [*lines, f"{found['steps']:.1f} steps a task, {found['invalid']} invalid"]


def _how(words: argparse.Namespace) -> Any:
    from lapis.act.step import How

    return How(words.think, words.budget)


def _engine(folder: Path) -> Generator:
    from lapis import terminal

    return terminal.engine(folder)


def options(verb: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    verb.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a model folder")
    verb.add_argument("--image", metavar="F", type=Path, help="the screen")
    verb.add_argument("--goal", metavar="TEXT", help="what is wanted, in words")
    verb.add_argument("--think", action="store_true", help="think before acting")
    verb.add_argument("--budget", metavar="N", type=int, default=-1, help="most tokens of thought; -1 is unlimited")
    verb.add_argument("--browse", action="store_true", help="drive real pages in a Chromium towards held-out goals")
    verb.add_argument("--tasks", metavar="N", type=int, default=45, help="tasks of --browse")
    verb.add_argument("--steps", metavar="N", type=int, default=8, help="most steps of each")
    verb.add_argument("--scale", metavar="X", type=float, choices=(1.0, 2.0), default=1.0, help="pixels a CSS pixel")
    verb.add_argument("--out", metavar="F", type=Path, help="the picture to write, act.png where none is named")
    verb.add_argument("--json", action="store_true", help="one line of JSON")
