"""Several nodes on this machine: real supervisors with a process each, one of them killed, left out, coming late."""

from __future__ import annotations

import contextlib
import json
import multiprocessing as mp
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import config
from lapis.dist import nodes, preflight, processes
from lapis.types import InputError
from tests.train import world
from tests.train.test_processes import STAGE, STEPS, alone, assert_same, data, killed, run_of

__all__ = ["alone", "data"]
SPAWN = mp.get_context("spawn")
Fake = Callable[[config.Recipe, Path], None]


def port() -> int:
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        return int(ear.getsockname()[1])


def recipe(place: int, node: int, **changes: Any) -> config.Recipe:
    shape = config.Dist(nodes=2, node=node, rendezvous=f"127.0.0.1:{place}", patience=60.0, grace=2)
    return replace(world.recipe(STAGE), dist=replace(shape, **changes))


def well(recipe: config.Recipe, run: Path) -> None:
    """A check that nothing is wrong with."""


def broken_after_a_death(recipe: config.Recipe, run: Path) -> None:
    """A node whose memory is bad once a process of it was killed (see test_processes.once)."""
    if recipe.dist.node == 1 and (run / "died").is_file():
        raise InputError("preflight, products: process 0: a product of matrices is wrong")


def broken(recipe: config.Recipe, run: Path) -> None:
    if recipe.dist.node == 1:
        raise InputError("preflight, disk: full")


def node(work: Any, wanted: config.Recipe, run: Path, fake: Fake) -> None:
    """What `lapis run` does on a machine, for one stage; its exit code and its line lie in `run/node-N`."""
    preflight.require = fake
    code, line = 0, ""
    try:
        if nodes.leads(wanted.dist):
            with nodes.lead(wanted, run) as team:
                processes.run(work, wanted, run, "whole", world.Seen(), team)
        else:
            code = nodes.follow(wanted, run, lambda name, team: processes.run(work, wanted, run, name, world.Seen(), team))
    except InputError as error:
        code, line = 2, str(error)
    (run / f"node-{wanted.dist.node}").write_text(json.dumps([code, line]))


def together(work: Any, wanted: list[config.Recipe], run: Path, fake: Fake = well) -> list[list[Any]]:
    """Exit code and line of every node."""
    every = [SPAWN.Process(target=node, args=(work, one, run, fake)) for one in wanted]
    for one in every:
        one.start()
    for one in every:
        one.join(120)
        with contextlib.suppress(Exception):
            one.kill()
    return [json.loads((run / f"node-{one.dist.node}").read_text()) for one in wanted]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / nodes.NAME).read_text().splitlines()]


def test_two_nodes_train_like_one_process(data: Path, alone: Path, tmp_path: Path) -> None:
    from lapis.train import stages

    run, place = run_of(data, tmp_path / "run"), port()
    assert together(stages.work, [recipe(place, 0), recipe(place, 1)], run) == [[0, ""], [0, ""]]
    assert_same(run, alone)


def test_a_node_that_fails_its_check_after_a_death_is_left_out(data: Path, alone: Path, tmp_path: Path) -> None:
    run, place = run_of(data, tmp_path / "run"), port()
    shapes = [recipe(place, number, least=1) for number in (0, 1)]
    ends = together(killed, shapes, run, broken_after_a_death)
    why = "preflight, products: process 0: a product of matrices is wrong"
    assert ends == [[0, ""], [2, f"node 1 ({socket.gethostname()}) is left out: {why}"]]
    assert (run / "died").is_file()
    assert_same(run, alone)
    assert [one["nodes"] for one in events(run) if one["event"] == "round"] == [2, 1]
    left = next(one for one in events(run) if one["event"] == "left")
    assert (left["node"], left["why"]) == (1, why)
