"""A log of what happens to a pool and its crew, and processes that are killed at chosen moments of it.

python -m tests.rl.fleet.chaos FOLDER ADDRESS KILL...     a whole stage in a process of its own, which may kill itself

A kill is `THING:TIME:WHO`: at the so-manieth time of a thing, the actor of a class, or `me`. Things: an answer is
`answered` and kept; a step's groups are `taken`; the trainer is `updating`; weights are `sending`; a checkpoint begins
(`saving`) and is whole (`saved`); a checkpoint was read (`resumed`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lapis.rl.fleet.crew import Crew
from lapis.rl.fleet.pool import Pool

Json = dict[str, Any]


class Chaos:
    """Writes the log and kills."""

    def __init__(self, path: Path, kills: Sequence[str]):
        self.path, self.seen = path, Counter[str]()
        self.kills = [(thing, int(time), who) for thing, time, who in (kill.split(":") for kill in kills)]

    def tell(self, thing: str, **more: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"thing": thing, **more}) + "\n")
        self.seen[thing] += 1
        due = [kill for kill in self.kills if kill[:2] == (thing, self.seen[thing])]
        for kill in due:
            self.kills.remove(kill)
            os.kill(os.getpid() if kill[2] == "me" else processes(kill[2])[-1], signal.SIGKILL)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Every pool and crew from now on."""

        def around(kind: type, name: str, before: Callable[..., None], after: Callable[..., None]) -> None:
            inner = getattr(kind, name)

            def outer(one: Any, *words: Any) -> Any:
                before(one, *words)
                given = inner(one, *words)
                after(one, given, *words)
                return given

            patch.setattr(kind, name, outer)

        def nothing(*words: Any) -> None: ...

        def answered(pool: Pool, given: Any, answer: Any) -> None:
            if given is not None:
                self.tell("answered", key=answer.key)

        def taken(pool: Pool, given: Any) -> None:
            self.tell("taken", step=pool.steps, places=[slot.place for slot in given.kept])

        def resumed(crew: Crew, given: Any) -> None:
            self.tell("resumed", step=given["step"] if given else 0)

        def saved(crew: Crew, given: Any, step: int, facts: Json) -> None:
            self.tell("saved", step=step)

        around(Pool, "answered", nothing, answered)
        around(Pool, "take", nothing, taken)
        around(Crew, "update", nothing, lambda *words: self.tell("updating"))
        around(Crew, "push", nothing, lambda *words: self.tell("sending"))
        around(Crew, "save", lambda *words: self.tell("saving"), saved)
        around(Crew, "resume", nothing, resumed)


def trained(path: Path) -> dict[int, list[int]]:
    """Places of the questions that each step trained in the end, by a log in which nothing is done twice.

    An answer that was there when a checkpoint was written is never written again, and what a step trained before the
    checkpoint is not trained by another one.
    """
    there: dict[int, frozenset[tuple[int, int]]] = {0: frozenset()}
    live: set[tuple[int, int]] = set()
    steps: dict[int, list[int]] = {}
    for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if line["thing"] == "answered":
            key = tuple(line["key"])
            assert key not in live, f"{key} was written twice"
            live.add(key)
        elif line["thing"] == "saved":
            there[line["step"]] = frozenset(live)
        elif line["thing"] == "resumed":
            live = set(there[line["step"]])
            steps = {step: places for step, places in steps.items() if step <= line["step"]}
        elif line["thing"] == "taken":
            steps[line["step"]] = line["places"]
    places = [place for step in steps.values() for place in step]
    assert len(places) == len(set(places)), "a question was trained twice"
    return steps


def processes(name: str) -> list[int]:
    """Numbers of the actors of a class that this process started, or that run on a Ray that it started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            if words.startswith(f"ray::{name}".encode()) and os.getpid() in ancestors(int(folder.name)):
                found.append(int(folder.name))
    return sorted(found)


def ancestors(process: int) -> list[int]:
    """Of a process, by /proc."""
    found = []
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(process)
    return found


def main(folder: Path, address: str, kills: Sequence[str]) -> None:
    """The stage of the tests, asynchronous."""
    from dataclasses import replace

    from lapis.rl.fleet import stage as fleet_stage
    from lapis.rl_fleet import Ray
    from lapis.types import Silent
    from tests.rl.fleet import small
    from tests.rl.fleet.checks import threes

    with pytest.MonkeyPatch.context() as patch:
        Chaos(folder / "log.jsonl", kills).watch(patch)
        recipe = replace(small.RECIPE, ray=Ray(address.removeprefix("-")))
        fleet_stage.run(small.LONG, recipe, folder, Silent(), threes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
