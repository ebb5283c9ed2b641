"""Where the nodes of a stage come together, round by round: a rendezvous for torch's elastic agent.

A round ends when processes of a node die, when a node is lost, or when one comes that makes more of them useful. Then
every node stops its processes, checks itself again, and says that it is here; the leader waits for all that live and
names the members of the next round.

Unusual: torch's own elastic rendezvous is not used. It closes for everybody when one node leaves, may put rank 0 on
any node, and asks no node whether it is well. Here the first rank is always the leader's, whose agent hears progress.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from torch.distributed.elastic.rendezvous import RendezvousHandler, rendezvous_handler_registry
from torch.distributed.elastic.rendezvous.api import RendezvousInfo, RendezvousStoreInfo

from lapis.dist.board import ASK, Address, Board, Roll

BACKEND = "lapis"
LOOK = 1.0
"""Seconds between the leader's looks at whose heart beats."""


class Over(Exception):
    """The leader has gone on to something else."""


class Meeting(RendezvousHandler):
    """One node's part of a stage's rounds; `check` raises InputError where the node is not fit to go on."""

    def __init__(self, board: Board, address: Address, order: int, check: Callable[[], None]):
        self.board, self.address, self.order, self.check = board, address, order, check
        self.round, self.members = -1, list[int]()

    def next_rendezvous(self) -> RendezvousInfo:
        """The next round with this node in it.

        Raises InputError where this node is not fit, RuntimeError where too few are, Over where no round comes.
        """
        if self.round >= 0:
            self.board.tell(self._key("again"))
            self.check()
        self.members = self._gather()
        store = dist.PrefixStore(self._key("agents"), self.board.store)
        rank = self.members.index(self.board.ticket)
        return RendezvousInfo(store, rank, len(self.members), RendezvousStoreInfo(*self.address))

    def _gather(self) -> list[int]:
        """Tickets of the next round's members, by rank."""
        raise Over

    def _key(self, name: str, after: int = 0) -> str:
        return f"{self.order}/{self.round + after}/{name}"

    def num_nodes_waiting(self) -> int:
        """1 where this round is at its end."""
        return int(self.board.told(self._key("again")) is not None)

    def get_run_id(self) -> str:
        """The round: what its processes keep their own words in the store under; part of a folder's name too."""
        return f"{self.order}-{self.round}"

    @property
    def use_agent_store(self) -> bool:
        """Processes of all nodes meet in the leader's store."""
        return True

    def get_backend(self) -> str:
        return BACKEND

    def is_closed(self) -> bool:
        return False

    def set_closed(self) -> None:
        pass

    def shutdown(self) -> bool:
        return True


class Led(Meeting):
    """The leader's part. `usable` says how many of so many nodes a stage can use; 0 is too few."""

    def __init__(self, *common: Any, roll: Roll, expected: int, usable: Callable[[int], int], patience: float):
        super().__init__(*common)
        self.roll, self.expected, self.usable, self.patience = roll, expected, usable, patience
        self.looked = 0.0

    def _gather(self) -> list[int]:
        self.round += 1
        end = time.monotonic() + self.patience
        while True:
            self.roll.look()
            here = self._here()
            late = time.monotonic() > end
            many = self.usable(1 + len(here))
            if late and not many:
                found = f"{1 + len(here)} of {self.expected} nodes are ready, too few to train"
                raise RuntimeError(found + self.roll.reasons())
            if many and (late or self._complete(here)):
                break
            time.sleep(ASK)
        members = [0, *here[: many - 1]]
        self.board.tell(self._key("members"), members)
        self.roll.note({"event": "round", "order": self.order, "round": self.round, "nodes": len(members)})
        return members

    def _here(self, after: int = 0) -> list[int]:
        """Who said that they are here for a round."""
        return [one for one in self.roll.alive if self.board.told(self._key(f"here/{one}", after)) is not None]

    def _complete(self, here: list[int]) -> bool:
        """Whether nobody is waited for: all that live have answered, and all have come who ever will."""
        first = self.order == 1 and self.round == 0
        came = len({*self.roll.came, *self.roll.left})
        return here == self.roll.alive and not (first and came < self.expected - 1)

    def num_nodes_waiting(self) -> int:
        """1 where this round is at its end: somebody said so, a member is lost, or more nodes are of use."""
        if super().num_nodes_waiting():
            return 1
        if time.monotonic() - self.looked < LOOK:
            return 0
        self.roll.look()
        self.looked = time.monotonic()
        new = [one for one in self._here(after=1) if one not in self.members]
        if any(one in self.roll.left for one in self.members) or self.usable(len(self.members) + len(new)) > len(
            self.members
        ):
            self.board.tell(self._key("again"))
            return 1
        return 0


class Followed(Meeting):
    """A follower's part. It stands by where a round goes on without it."""

    def _gather(self) -> list[int]:
        while True:
            self.round += 1
            self.board.tell(self._key(f"here/{self.board.ticket}"))
            while (members := self.board.told(self._key("members"))) is None:
                self._still_on()
                time.sleep(ASK)
            if self.board.ticket in members:
                return list(members)

    def num_nodes_waiting(self) -> int:
        """1 where this round is at its end. Raises Over where the leader went on without."""
        self._still_on()
        return super().num_nodes_waiting()

    def _still_on(self) -> None:
        now = self.board.told("now")
        if now["order"] != self.order or now["end"] is not None:
            raise Over


rendezvous_handler_registry.register(BACKEND, lambda found: found.config["meeting"])
