"""Several nodes on this machine: real supervisors with a process each, one of them killed, left out, coming late."""

from __future__ import annotations

import contextlib
import json
import multiprocessing as mp
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import cli, config
from lapis.dist import board, nodes, preflight, processes
from lapis.train import stages
from lapis.types import InputError, Progress
from tests.train import world
from tests.train.test_processes import STAGE, alone, assert_same, data, fatal, kill, killed, run_of

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


def node(work: Any, wanted: config.Recipe, run: Path, fake: Fake) -> None:
    """What `lapis run` does on a machine, for one stage; its exit code and its line lie in `run/node-N`."""
    preflight.require, board.LOST = fake, 6.0
    signal.signal(signal.SIGTERM, cli._terminate)
    code, line = 0, ""
    try:
        if nodes.leads(wanted.dist):
            with nodes.lead(wanted, run) as team:
                processes.run(work, wanted, run, "whole", world.Seen(), team)
        else:
            code = nodes.follow(
                wanted, run, lambda name, team: processes.run(work, wanted, run, name, world.Seen(), team)
            )
    except InputError as error:
        code, line = 2, str(error)
    except cli.Terminated:
        code = 143
    (run / f"node-{wanted.dist.node}").write_text(json.dumps([code, line]))


def start(work: Any, wanted: config.Recipe, run: Path, fake: Fake = well) -> Any:
    process = SPAWN.Process(target=node, args=(work, wanted, run, fake))
    process.start()
    return process


def ended(every: list[Any], run: Path) -> list[list[Any]]:
    """Exit code and line of every node, by number."""
    for one in every:
        one.join(120)
        one.kill()
    return [json.loads((run / f"node-{number}").read_text()) for number in range(len(every))]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / nodes.NAME).read_text().splitlines()]


def test_a_node_that_fails_its_check_after_a_death_is_left_out(data: Path, alone: Path, tmp_path: Path) -> None:
    run, place = run_of(data, tmp_path / "run"), port()
    started = [start(killed, recipe(place, number, least=1), run, broken_after_a_death) for number in (0, 1)]
    ends = ended(started, run)
    why = "preflight, products: process 0: a product of matrices is wrong"
    assert ends == [[0, ""], [2, f"node 1 ({socket.gethostname()}) is left out: {why}"]]
    assert (run / "died").is_file()
    assert_same(run, alone)
    assert [one["nodes"] for one in events(run) if one["event"] == "round"] == [2, 1]
    left = next(one for one in events(run) if one["event"] == "left")
    assert (left["node"], left["why"]) == (1, why)


def lost(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    """The stage's work, with the second node going away whole at one step, once."""

    def gone() -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        kill()

    fatal(recipe, run, name, progress, gone)


def test_a_node_that_is_lost_comes_back(data: Path, alone: Path, tmp_path: Path) -> None:
    """As where a cluster starts a pod anew: the first one is missed after a while, and the second takes part."""
    run, place = run_of(data, tmp_path / "run"), port()
    started = [start(lost, recipe(place, number), run) for number in (0, 1)]
    started[1].join(120)
    assert started[1].exitcode == -signal.SIGKILL
    started[1] = start(lost, recipe(place, 1), run)
    assert ended(started, run) == [[0, ""], [0, ""]]
    assert_same(run, alone)
    assert [one["nodes"] for one in events(run) if one["event"] == "round"] == [2, 2]
    assert [one["node"] for one in events(run) if one["event"] == "came"] == [1, 1]
    assert ["not heard of" in one["why"] for one in events(run) if one["event"] == "left"] == [True]


def drained(recipe: config.Recipe, run: Path, name: str, progress: Progress) -> None:
    """The stage's work, with the second node told to end at one step."""
    fatal(recipe, run, name, progress, lambda: os.kill(os.getppid(), signal.SIGTERM))


def test_a_node_that_is_told_to_end_saves_and_the_others_go_on(data: Path, alone: Path, tmp_path: Path) -> None:
    run, place = run_of(data, tmp_path / "run"), port()
    assert ended([start(drained, recipe(place, number, least=1), run) for number in (0, 1)], run) == [
        [0, ""],
        [143, ""],
    ]
    assert_same(run, alone)
    assert json.loads((run / "whole" / "done.json").read_text())["time"]["lost"] == 0
    assert [one["why"] for one in events(run) if one["event"] == "left"] == ["was stopped (Terminated)"]


def test_another_config_on_a_node_stops_before_the_first_step(data: Path, tmp_path: Path) -> None:
    run, place = run_of(data, tmp_path / "run"), port()
    other = recipe(place, 1)
    other = replace(other, stages=(replace(STAGE, optim=replace(STAGE.optim, lr=0.5)),))
    ends = ended([start(stages.work, one, run) for one in (recipe(place, 0), other)], run)
    line = "rank 1 differs from rank 0: stages.whole.optim.lr is 0.5, and 0.001 there"
    assert ends == [[2, line], [2, ""]]
    assert not (run / "whole").exists()


def idle(name: str, team: nodes.Team) -> None:
    raise AssertionError("no stage was begun")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "require", well)


@pytest.mark.parametrize(
    ("error", "code"), [(None, 0), (InputError("wrong"), 2), (KeyboardInterrupt(), 143), (ValueError("ours"), 1)]
)
def test_a_follower_ends_with_the_leaders_code(
    error: BaseException | None, code: int, quick: None, tmp_path: Path
) -> None:
    place = port()
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(nodes.follow, recipe(place, 1), tmp_path, idle)
        with contextlib.suppress(InputError, KeyboardInterrupt, ValueError), nodes.lead(recipe(place, 0), tmp_path):
            if error is not None:
                raise error
        assert follower.result(60) == code
    assert [one["event"] for one in events(tmp_path)] == ["came"]


def test_a_follower_whose_leader_is_gone_says_so(quick: None, tmp_path: Path) -> None:
    place = port()
    leading, _ = board.serve("127.0.0.1", place, 60.0)
    leading.tell("now", {"order": 0, "stage": "", "end": None})
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(nodes.follow, recipe(place, 1), tmp_path, idle)
        while leading.told("who/1") is None:
            time.sleep(0.05)
        del leading
        with pytest.raises(RuntimeError, match=f"127.0.0.1:{place}: the leading node is gone"):
            follower.result(60)


def test_nobody_who_leads_and_a_place_that_is_taken_are_told(quick: None, tmp_path: Path) -> None:
    place = port()
    with pytest.raises(InputError, match=f"no node leads at 127.0.0.1:{place} after 0.1 s"):
        nodes.follow(recipe(place, 1, patience=0.1), tmp_path, idle)
    taken, _ = board.serve("127.0.0.1", place, 60.0)
    with pytest.raises(InputError, match=f"cannot listen at 127.0.0.1:{place}"), nodes.lead(recipe(place, 0), tmp_path):
        pass
    assert taken.told("now") is None


def test_the_machine_that_the_rendezvous_names_leads_unless_it_is_numbered() -> None:
    assert [nodes.leads(recipe(29500, number).dist) for number in (-1, 0, 1)] == [True, True, False]
    assert not nodes.leads(replace(recipe(1, -1).dist, rendezvous="192.0.2.1:29500"))
