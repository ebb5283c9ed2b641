"""The nodes of a run: one leads it, the others take part in its training stages.

The leader holds the lock of the run folder and does all that is done once: data, evaluation, export, timeline. Before
each training stage it says so on its board; a follower waits for that, trains, and waits again until the run ends,
with the leader's exit code. Every node checks itself before it joins (preflight.py); one that is not well leaves
itself out, and the leader writes down why in `nodes.jsonl`.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch.distributed as dist

from lapis import config, files
from lapis.dist import preflight
from lapis.dist.board import (
    ASK,
    HERE,
    LOST,
    Address,
    Board,
    Roll,
    address_of,
    beating,
    connect,
    is_here,
    name_of,
    serve,
)
from lapis.dist.meeting import Followed, Led, Meeting, Over
from lapis.types import InputError

log = logging.getLogger(__name__)
NAME = "nodes.jsonl"
"""In the run folder: nodes that came, left and why, and the rounds of training."""


@dataclass(slots=True)
class Team:
    """The nodes of a run as one of them sees them."""

    board: Board
    address: Address
    """Of the leader's board."""
    shape: config.Dist
    check: Callable[[], None]
    """Raises InputError where this node is not fit to train."""
    roll: Roll | None = None
    """Who is there; only the leader has it."""
    order: int = 0
    """Training stages that were begun."""

    @property
    def leads(self) -> bool:
        return self.roll is not None

    def meeting(self, stage: str, usable: Callable[[int], int]) -> Meeting:
        """Where the nodes meet for a stage; the leader calls them. `usable`: of so many nodes, how many it can use."""
        common = (self.board, self.address, self.order + self.leads, self.check)
        if self.roll is None:
            return Followed(*common)
        self.order += 1
        self._now(stage=stage)
        return Led(*common, roll=self.roll, expected=self.shape.nodes, usable=usable, patience=self.shape.patience)

    def _now(self, stage: str = "", end: int | None = None) -> None:
        self.board.tell("now", {"order": self.order, "stage": stage, "end": end})

    def end(self, code: int) -> None:
        """Tell all nodes that the run is over, and give those that live, or are only now coming, time to hear it."""
        assert self.roll is not None
        self._now(end=code)
        until = time.monotonic() + LOST
        while time.monotonic() < until and not self._heard():
            time.sleep(ASK)
            self.roll.look()

    def _heard(self) -> bool:
        assert self.roll is not None
        missing = 0 if self.order else self.shape.nodes - 1 - len({*self.roll.came, *self.roll.left})
        return missing <= 0 and all(self.board.told(f"heard/{ticket}") for ticket in self.roll.alive)


@contextmanager
def alone(shape: config.Dist) -> Iterator[Team]:
    """This machine by itself, listening on the loopback device only."""
    board, address = serve(HERE, 0, shape.patience)
    yield Team(board, address, shape, lambda: None, Roll(board))


def leads(shape: config.Dist) -> bool:
    """Whether this node leads."""
    return shape.node == 0 or (shape.node < 0 and is_here(address_of(shape.rendezvous)[0]))


@contextmanager
def lead(recipe: config.Recipe, folder: Path) -> Iterator[Team]:
    """The leader's team around all stages of a run; at its end the followers get the exit code.

    Raises InputError where this node is not well or cannot listen.
    """
    check = partial(preflight.require, recipe, folder)
    board, address = serve(*address_of(recipe.dist.rendezvous), recipe.dist.patience)
    team = Team(board, address, recipe.dist, check, Roll(board, partial(_note, folder / NAME)))
    team._now()
    code = 1
    try:
        check()
        yield team
        code = 0
    except InputError:
        code = 2
        raise
    except KeyboardInterrupt:
        code = 143
        raise
    finally:
        team.end(code)


def _note(path: Path, event: dict[str, Any]) -> None:
    files.append(path, {"time": round(time.time(), 3), **event})


def follow(recipe: config.Recipe, folder: Path, work: Callable[[str, Team], None]) -> int:
    """`work(stage, team)` for every training stage until the run ends; returns the leader's exit code.

    Raises InputError where this node is left out, RuntimeError where the leader is lost.
    """
    board = connect(address_of(recipe.dist.rendezvous), recipe.dist.patience)
    who = {"node": recipe.dist.node, "host": socket.gethostname()}
    check = partial(preflight.require, recipe, folder)
    try:
        board.tell(f"who/{board.ticket}", who)
        with beating(board), _leaving(board, name_of(who)):
            check()
            return _take_part(Team(board, address_of(recipe.dist.rendezvous), recipe.dist, check), work)
    except dist.DistError:
        raise RuntimeError(f"{recipe.dist.rendezvous}: the leading node is gone; the same command goes on") from None


@contextmanager
def _leaving(board: Board, name: str) -> Iterator[None]:
    """The leader hears why a node left before its time."""
    try:
        yield
    except BaseException as error:
        with suppress(dist.DistError):
            board.tell(f"left/{board.ticket}", f"{error}" or f"was stopped ({type(error).__name__})")
        if isinstance(error, InputError):
            raise InputError(f"{name} is left out: {error}") from None
        raise


def _take_part(team: Team, work: Callable[[str, Team], None]) -> int:
    while True:
        # A node may be here before the leader has said anything.
        now = team.board.told("now") or {"order": 0, "stage": "", "end": None}
        if now["end"] is not None:
            team.board.tell(f"heard/{team.board.ticket}")
            return int(now["end"])
        if now["order"] > team.order:
            team.order = now["order"]
            with suppress(Over):
                work(now["stage"], team)
        time.sleep(ASK)
