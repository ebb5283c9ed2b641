"""How long a step takes on a machine: calls by FLOPs and bytes, collectives by ring or tree, and what hides.

A call takes the longer of its FLOPs at the share of the peak that such calls reach and its bytes at the memory's
bandwidth. A collective over n processes sends (n - 1) / n of the whole over every link of a ring, twice for a sum,
through as many adapters as its ranks on a node have, and waits for each hop; a sum takes a tree's hops where those are
fewer. Weights are gathered while others compute (FSDP fetches ahead), gradients added up behind the last micro-batch's
backward; all other messages are waited for.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache

from lapis.plan.count import Message, Work
from lapis.plan.hardware import Hardware, Link
from lapis.plan.job import Trace

ATTENTION, WEIGHTS, GATHER = "scaled_dot_product", "weights", "all-gather"
BACKWARD = 2 / 3
"""Of a micro-batch; gradients are added up in the last one's."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of a step on one rank."""

    computing: float
    waiting: float
    """For messages that what comes next needs."""
    weights: float
    """Of messages of weights, hidden or not."""
    exposed: float
    """The part of them that does not hide."""
    uneven: float
    """Waiting for ranks whose rows cost more."""
    jitter: float
    """Waiting for ranks that happen to be slow."""

    @property
    def step(self) -> float:
        return self.computing + self.waiting + self.exposed + self.uneven + self.jitter


def seconds(trace: Trace, machine: Hardware, world: int, uneven: float) -> Seconds:
    """A step; `uneven` is the share by which it is longer since rows cost unevenly."""
    computing = waiting = gathers = sums = edge = 0.0
    for event, count in trace.events.items():
        if isinstance(event, Work):
            computing += count * of_work(event, machine)
            continue
        each = of_message(event, machine)
        if event.purpose != WEIGHTS:
            waiting += count * each
            continue
        edge = max(edge, each)
        gathers += count * each * (event.name == GATHER)
        sums += count * each * (event.name != GATHER)
    hides = machine.overlap * computing
    exposed = _exposed(gathers, hides, edge) + _exposed(sums, hides * BACKWARD / trace.micros, edge)
    slow = machine.jitter * math.sqrt(2 * math.log(world)) * computing
    return Seconds(computing, waiting, gathers + sums, exposed, uneven * computing, slow)


def _exposed(messages: float, hides: float, edge: float) -> float:
    """Seconds of messages that nothing hides: what is too much, and one at the edge, where nothing is computed yet, or
    any more."""
    return min(messages, max(messages - hides, edge))


def of_work(call: Work, machine: Hardware) -> float:
    """Seconds of a call."""
    share = machine.attention_share if ATTENTION in call.name else machine.products_share
    flops = call.flops / (machine.products * share)
    busy = max(flops, call.moved / (machine.bandwidth * machine.bandwidth_share))
    return max(busy, machine.launch) if machine.launch_hidden else busy + machine.launch


def of_message(message: Message, machine: Hardware) -> float:
    """Seconds of a collective."""
    ranks = len(message.ranks)
    if ranks == 1:
        return 0.0
    nodes, beside = _layout(message.ranks, machine.node)
    ways = 2 if message.name == "all-reduce" else 1
    hops = _hops(machine, nodes, beside, message.name == "all-reduce")
    share = 1.0 if message.name == "broadcast" else (ranks - 1) / ranks
    bandwidth = _speed(machine.inner) if beside > 1 else math.inf
    if nodes > 1:
        bandwidth = min(bandwidth, beside * _speed(machine.outer))
    sent = ways * share * message.size / bandwidth
    return hops + sent * machine.collectives.get(message.name, 1.0)


def _speed(link: Link) -> float:
    return link.bandwidth * link.share


def _hops(machine: Hardware, nodes: int, beside: int, summed: bool) -> float:
    """Seconds of the hops of a ring, or of a tree there and back."""
    inner, outer = machine.inner.latency, machine.outer.latency
    ring = nodes * (beside - 1) * inner + (nodes - 1) * outer
    tree = 2 * ((beside - 1) * inner + math.ceil(math.log2(nodes)) * outer)
    return min(2 * ring, tree) if summed else ring


@cache
def _layout(ranks: tuple[int, ...], node: int) -> tuple[int, int]:
    """(nodes, ranks beside each other on one) of a group."""
    found = Counter(rank // node for rank in ranks)
    return len(found), min(found.values())
