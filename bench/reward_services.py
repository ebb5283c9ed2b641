"""A reward service under ten times the load: p95 unloaded by p95 once replicas are up; beside it the ramp, and back.

The reward waits 0.25 s, as one does that asks a model on another machine. Load is callers who ask one answer after the
other: one, then ten, then none. A replica has room for four answers.

python -m bench.reward_services
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from ray import serve

from bench.parts.line import say
from lapis.rl.fleet import cluster
from lapis.rl.rewards.book import Item
from lapis.rl.services import registry
from lapis.rl.services.client import Remote
from lapis.service_config import Batch, Scale, Service
from lapis.types import Completion, Sample, Text, Turn, Verdict

NAME, CALLERS = "waits", 10
SCALE = Scale(least=1, most=5, ongoing=2, up=0.5, down=2, interval=0.5, window=2)
SERVICE = Service("made", "bench.parts.waiting:waiting", scale=SCALE, batch=Batch(2, 0.01, 2))
UNLOADED, LOADED, LONGEST = 40, 400, 240.0
"""Requests that are measured, and seconds that the replicas may take to come and to go."""


@dataclass(frozen=True, slots=True)
class Call:
    """Seconds: asked, begun by a replica, answered."""

    asked: float
    begun: float
    answered: float


def one(remote: Remote, item: Item) -> Call:
    """One request. Raises AssertionError where it is lost."""
    asked = time.time()
    (verdict,) = remote([item])
    assert isinstance(verdict, Verdict), verdict
    return Call(asked, float(verdict.reason), time.time())


def until(remote: Remote, item: Item, enough: Callable[[list[Call]], bool]) -> list[Call]:
    """One request after the other."""
    calls: list[Call] = []
    while not enough(calls):
        calls.append(one(remote, item))
    return calls


def loaded(remote: Remote, item: Item) -> tuple[list[Call], list[Call]]:
    """Ten callers: what was asked before all replicas were there, and the same number of requests for each after."""
    there = threading.Event()
    with ThreadPoolExecutor(CALLERS) as threads:
        ramps = [threads.submit(until, remote, item, lambda _: there.is_set()) for _ in range(CALLERS)]
        replicas(SCALE.most)
        there.set()
        ramp = [call for future in ramps for call in future.result()]
        each = LOADED // CALLERS
        rest = [threads.submit(until, remote, item, lambda calls: len(calls) == each) for _ in range(CALLERS)]
        return ramp, [call for future in rest for call in future.result()]


def replicas(many: int) -> float:
    """Wait for so many; the seconds that it took. Raises AssertionError where they do not come."""
    began = time.monotonic()
    while registry.listed()[0].replicas != many:
        assert time.monotonic() - began < LONGEST, registry.listed()
        time.sleep(0.2)
    return time.monotonic() - began


def p95(calls: list[Call]) -> float:
    """Of the seconds from question to answer."""
    return float(np.percentile([call.answered - call.asked for call in calls], 95))


def queue(calls: list[Call]) -> int:
    """Most requests that waited for a replica at once."""
    ends = [(call.asked, 1) for call in calls] + [(call.begun, -1) for call in calls]
    return int(np.cumsum([step for _, step in sorted(ends)]).max())


def main() -> None:
    turns = (Turn("user", (Text("What is 40 + 2?"),)), Turn("assistant", (Text("42"),)))
    answer = Completion("42", "", (1,), (2,), (-0.5,), (False,), 0, "stop", True)
    item = Item(Sample("math/arith", "en", "bench", "CC0-1.0", turns), answer)
    cluster.start()
    registry.start(NAME, SERVICE)
    remote = Remote(NAME)
    until(remote, item, lambda calls: len(calls) == 5)
    alone = until(remote, item, lambda calls: len(calls) == UNLOADED)
    ramp, full = loaded(remote, item)
    back = replicas(SCALE.least)
    remote.close()
    serve.shutdown()
    print(f"unloaded: p95 {p95(alone):.3f} s of {UNLOADED}")
    print(f"ramp to {SCALE.most} replicas: {len(ramp)} requests, p95 {p95(ramp):.3f} s, at most {queue(ramp)} waited")
    told = f"p95 {p95(full):.3f} s of {LOADED}, {p95(full) / p95(alone):.2f}x, at most {queue(full)} waited"
    print(f"{CALLERS} callers: {told}")
    print(f"one replica again {back:.1f} s after the load; no request lost")
    say("service_p95", p95(alone) / p95(full), 0.5, "p95 unloaded by p95 at ten times the load, replicas up", 1.0)


if __name__ == "__main__":
    main()
