"""A stage's processes on this machine: started by torch's elastic agent, with one progress bar for all of them.

Where other machines take part, the agents meet in each other's rounds (meeting.py), and each starts its own processes.

Unusual: work is a function that the agent spawns, not a command line, so that nothing but `cli` reads arguments. How
far the first process is comes back as datagrams on the loopback device, each with a number that a restart does not
begin anew: nothing that a killed process could leave locked or half-written. A process that dies takes the others with
it, and one that hangs is noticed by those that wait for it; then all are started again and go on from the last
checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Thread

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lapis import config
from lapis.dist import agree, guard, mesh, nodes
from lapis.dist.board import HERE
from lapis.dist.meeting import BACKEND, Meeting
from lapis.said import last_line
from lapis.types import InputError, Progress, Silent

Work = Callable[[config.Recipe, Path, str, Progress], None]
"""(recipe, run folder, stage, progress), called in every process with the process group standing."""
END, LONGEST = b"", 4096
"""The last datagram, and the most bytes of one."""
BEAT = 0.2
"""Seconds between looks at whether all still live."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Whose handlers the agent replaces."""


class Sent:
    """Progress that is told to the process which holds the bar, at a port of this machine."""

    def __init__(self, port: int):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((HERE, port))
        self.done = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        self.socket.send(json.dumps((self.done, note)).encode())


def run(
    work: Work, recipe: config.Recipe, folder: Path, stage: str, progress: Progress, team: nodes.Team | None = None
) -> None:
    """`work` in `recipe.dist.nproc` processes, on every node of a team. Raises InputError with the first one's own
    line, on the node that leads.

    SIGTERM is passed to all of them, and to whom it belongs here once they have ended.
    """
    with nodes.alone(recipe.dist) if team is None else nullcontext(team) as team:
        found = _run(work, recipe, folder, stage, progress, team.meeting(stage, partial(_usable, recipe, stage)))
        for line in filter(None, found.values() if team.leads else ()):
            raise InputError(line)


def _run(
    work: Work, recipe: config.Recipe, folder: Path, stage: str, progress: Progress, meeting: Meeting
) -> dict[int, str]:
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    found, stopped = dict[int, str](), None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((HERE, 0))
        port = ear.getsockname()[1]
        teller = Thread(target=_tell, args=(ear, progress), daemon=True)
        teller.start()
        try:
            settings = _settings(recipe.dist, meeting)
            found = elastic_launch(settings, _begin)(work, config.dump(recipe), str(folder), stage, port)
        except ChildFailedError as error:
            raise RuntimeError(f"{stage}: a process died ({_cause(error)})") from None
        except SignalException as signalled:
            stopped = signalled.sigval
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            ear.sendto(END, (HERE, port))
            teller.join()
    if stopped is not None:
        signal.raise_signal(stopped)
    return found


def _usable(recipe: config.Recipe, stage: str, there: int) -> int:
    """With how many of so many nodes a stage can train; 0 is too few."""
    entry = next(one for one in recipe.stages if one.name == stage)
    assert isinstance(entry, config.Train)
    for many in range(there, (recipe.dist.least or recipe.dist.nodes) - 1, -1):
        with suppress(InputError):
            mesh.suits(recipe, entry, many * recipe.dist.nproc)
            return many
    return 0


def _settings(shape: config.Dist, meeting: Meeting) -> LaunchConfig:
    return LaunchConfig(
        run_id=BACKEND,
        min_nodes=1,
        max_nodes=shape.nodes,
        nproc_per_node=shape.nproc,
        rdzv_backend=BACKEND,
        rdzv_configs={"meeting": meeting},
        max_restarts=shape.restarts,
        monitor_interval=BEAT,
        shutdown_timeout=shape.grace,
        start_method="spawn",
        local_addr=HERE,
    )


def _tell(ear: socket.socket, progress: Progress) -> None:
    """Pass on what is new; a restarted process tells again what was told."""
    seen = 0
    while (told := ear.recv(LONGEST)) != END:
        done, note = json.loads(told)
        progress.advance(max(done - seen, 0), note)
        seen = max(done, seen)


def _cause(error: ChildFailedError) -> str:
    _, failure = error.get_first_failure()
    return last_line(str(failure.message))


def _begin(work: Work, text: str, folder: str, stage: str, port: int) -> str:
    """One process; returns the line of an InputError, and an empty one otherwise."""
    recipe = config.load(text)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)  # our forwards change no output in place
    device = guard.device_of(recipe.device)
    if device.type == "cuda":
        torch.cuda.set_device(dist.get_node_local_rank())
    _join(device, recipe.dist.patience)
    progress = Sent(port) if dist.get_rank() == 0 else Silent()
    try:
        agree.check(recipe, device)
        work(recipe, Path(folder), stage, progress)
    except InputError as error:
        return str(error)
    finally:
        dist.destroy_process_group()
    return ""


def _join(device: torch.device, patience: float) -> None:
    """Found the process group. There is one store over all rounds, so each round has keys of its own there: addresses
    of processes that died would else be found again."""
    wait = timedelta(seconds=patience)
    store, rank, world = next(dist.rendezvous("env://", timeout=wait))
    own = dist.PrefixStore(os.environ["TORCHELASTIC_RUN_ID"], store)
    backend = "cuda:nccl,cpu:gloo" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=own, rank=rank, world_size=world, timeout=wait)
