"""What the nodes of a run tell each other: words in a store that the leading node keeps in memory.

Unusual: nothing here waits. Whoever waits for a word asks again and again, so that a signal is heard at once, and a
node is taken for lost when its heart, a thread that counts upwards in the store, has stood still for a while by the
leader's own clock.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import torch.distributed as dist

from lapis.types import InputError

log = logging.getLogger(__name__)

HERE = "127.0.0.1"
ASK, BEAT, LOST = 0.2, 2.0, 20.0
"""Seconds between questions, between beats of a heart, and after which a node without any is lost."""
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Board:
    """One node's access to the words. Every call raises torch's DistError where the leader is gone."""

    store: dist.Store
    ticket: int = 0
    """This node's number among all that ever came; 0 leads."""

    def tell(self, key: str, value: Any = True) -> None:
        self.store.set(key, json.dumps(value))

    def told(self, key: str) -> Any:
        """None where nothing was."""
        return json.loads(self.store.get(key)) if self.store.check([key]) else None

    def count(self, key: str, more: int = 0) -> int:
        """How far something was counted, `more` included."""
        return self.store.add(key, more)


def address_of(rendezvous: str) -> Address:
    """Host and port. Raises InputError where the words are none."""
    host, _, port = rendezvous.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise InputError(f"dist.rendezvous: {rendezvous!r}, expected host:port of the node that leads")
    return host.strip("[]"), int(port)


def is_here(host: str) -> bool:
    """Whether a host's name leads to this machine: then one can listen there."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as ear:
            ear.bind(place)
    except OSError:
        return False
    return True


def serve(host: str, port: int, patience: float) -> tuple[Board, Address]:
    """The leader's board, and where it listens: at the host's own address, on the loopback device for a local name.

    A machine that has its own public name on the loopback device listens everywhere: others must reach it.
    Raises InputError where it cannot listen.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        inward = ipaddress.ip_address(place[0]).is_loopback and not (host == "localhost" or host == place[0])
        ear = socket.create_server(("", port) if inward else place[:2], family=family, backlog=4096)
    except OSError as error:
        raise InputError(f"dist.rendezvous: cannot listen at {host}:{port} ({error.strerror})") from None
    port = ear.getsockname()[1]
    store = dist.TCPStore(
        HERE if inward else host,
        port,
        is_master=True,
        wait_for_workers=False,
        timeout=timedelta(seconds=patience),
        master_listen_fd=ear.detach(),
    )
    return Board(store), (host, port)


def connect(address: Address, patience: float) -> Board:
    """A follower's board, with a ticket. Raises InputError where nobody leads within `patience` seconds."""
    end = time.monotonic() + patience
    while not _reached(address):
        if time.monotonic() > end:
            raise InputError(f"dist.rendezvous: no node leads at {address[0]}:{address[1]} after {patience:g} s")
        time.sleep(ASK)
    store = dist.TCPStore(*address, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=patience))
    return Board(store, store.add("tickets", 1))


def _reached(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=BEAT).close()
    except OSError:
        return False
    return True


@contextmanager
def beating(board: Board) -> Iterator[None]:
    """A heart over a connection of its own: those of others may be waiting."""
    own, end = Board(board.store.clone(), board.ticket), Event()  # type: ignore[attr-defined]  # torch's hints lack it

    def beat() -> None:
        try:
            own.count(f"beat/{own.ticket}", 1)
            while not end.wait(BEAT):
                own.count(f"beat/{own.ticket}", 1)
        except dist.DistError:
            return

    heart = Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        end.set()
        heart.join()


@dataclass(slots=True)
class Roll:
    """Which nodes there are, as the leader sees them: who came, who left and why, whose heart stands still."""

    board: Board
    note: Callable[[dict[str, Any]], None] = lambda event: None
    """Told of every node that comes or leaves."""
    came: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Ticket to what a node said of itself: number and host."""
    left: dict[int, str] = field(default_factory=dict)
    """Ticket to why."""
    hearts: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Ticket to the last beat and when it was new."""

    def look(self) -> None:
        """Bring it up to date."""
        for ticket in range(1, self.board.count("tickets") + 1):
            if ticket not in self.left:
                self._look_at(ticket, time.monotonic())

    def _look_at(self, ticket: int, now: float) -> None:
        if ticket not in self.came and (who := self.board.told(f"who/{ticket}")) is not None:
            self.came[ticket] = who
            self.note({"event": "came", **who})
        beat = self.board.count(f"beat/{ticket}")
        if beat != self.hearts.get(ticket, (-1, 0.0))[0]:
            self.hearts[ticket] = beat, now
        why = self.board.told(f"left/{ticket}")
        if why is None and now - self.hearts[ticket][1] > LOST:
            why = f"was not heard of for {LOST:g} s"
        if why is not None:
            self.left[ticket] = why
            self.note({"event": "left", **self.came.get(ticket, {}), "why": why})
            log.warning("%s is left out: %s", self.name(ticket), why)

    @property
    def alive(self) -> list[int]:
        """Tickets of nodes that are there, in the order of their numbers."""
        there = [ticket for ticket in self.came if ticket not in self.left]
        return sorted(there, key=lambda ticket: (self.came[ticket]["node"], ticket))

    def name(self, ticket: int) -> str:
        """How a node is called in messages."""
        return name_of(self.came.get(ticket, {"node": -1, "host": f"number {ticket} to come"}))

    def reasons(self) -> str:
        """Who left and why, as the end of a sentence."""
        return "".join(f"; {self.name(ticket)} {why}" for ticket, why in self.left.items())


def name_of(who: dict[str, Any]) -> str:
    """`node 3 (host)` of what a node says of itself."""
    return f"node {who['node']} ({who['host']})" if who["node"] >= 0 else f"node {who['host']}"
