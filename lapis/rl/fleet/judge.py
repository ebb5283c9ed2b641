"""Judges of answers as they are finished: a book of rewards in processes of their own, or where the loop runs.

A judge that is idle takes what waits, at once: models that judge then get batches, and answers wait for no round of a
clock. What a reward does wrong is the book's matter (rewards/book.py). Here only a process dies: its answers are judged
again, each alone, so that the one that kills its judges is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lapis.rl.fleet.messages import Judgement, Key
from lapis.rl.rewards.book import Book, Item, Judged

BATCH = 32
"""Most answers that a judge gets at once."""

Make = Callable[[], Book]
"""Gives the rewards, in the process that they are for; it is sent there, a module's own function by name."""


class JudgeProcess:
    """The actor."""

    def __init__(self, make: Make):
        self.book = make()

    def judge(self, items: Sequence[Item]) -> list[Judged]:
        """See `Book.judge`."""
        return self.book.judge(items)

    def close(self) -> None:
        """End the rewards' own processes."""
        self.book.close()


@dataclass(frozen=True, slots=True)
class _Case:
    key: Key
    item: Item
    again: bool = False
    """A judge has died with it."""


@dataclass(slots=True)
class _Bench:
    """A judge's process, and what it is at."""

    actor: Any
    cases: list[_Case] = field(default_factory=list)
    ref: Any = None
    """Of its verdicts; None where it is idle."""


class Judges:
    """Some judges' processes, or none: then answers are judged where they are asked about."""

    def __init__(self, many: int, make: Make):
        self._make = make
        self._book = None if many else make()
        self._benches = [_Bench(self._actor()) for _ in range(many)]
        self._queue: deque[_Case] = deque()
        self._now: list[Judgement] = []

    def _actor(self) -> Any:
        import ray

        return ray.remote(num_cpus=0)(JudgeProcess).remote(self._make)

    @property
    def refs(self) -> list[Any]:
        """Of verdicts that are awaited."""
        return [bench.ref for bench in self._benches if bench.ref is not None]

    @property
    def ready(self) -> bool:
        """There are verdicts that nothing is awaited for."""
        return bool(self._now)

    def ask(self, key: Key, item: Item) -> None:
        """Have an answer judged, when a judge is idle."""
        if self._book is not None:
            self._now += [Judgement(key, one) for one in self._book.judge([item])]
            return
        self._queue.append(_Case(key, item))
        self._hand_out()

    def judge(self, items: Sequence[Item]) -> list[Judged]:
        """All of these at once, when nothing else is asked."""
        import ray

        if self._book is not None:
            return self._book.judge(items)
        for place, item in enumerate(items):
            self.ask((-1 - place, 0), item)
        found: dict[int, Judged] = {}
        while len(found) < len(items):
            done = ray.wait(self.refs, num_returns=1)[0]
            found |= {-1 - one.key[0]: one.judged for one in self.done(done)}
        return [found[place] for place in range(len(items))]

    def _hand_out(self) -> None:
        """Idle judges share what waits."""
        idle = [bench for bench in self._benches if bench.ref is None]
        for left, bench in zip(range(len(idle), 0, -1), idle, strict=True):
            if self._queue:
                bench.cases = self._next(min(BATCH, -(-len(self._queue) // left)))
                bench.ref = bench.actor.judge.remote([case.item for case in bench.cases])

    def _next(self, many: int) -> list[_Case]:
        """So many that wait; one that a judge has died with alone."""
        taken = [self._queue.popleft()]
        while self._queue and len(taken) < many and not (taken[0].again or self._queue[0].again):
            taken.append(self._queue.popleft())
        return taken

    def done(self, refs: Sequence[Any]) -> list[Judgement]:
        """What these say, and what was judged here."""
        found, self._now = self._now, []
        for bench in self._benches:
            if bench.ref is not None and bench.ref in refs:
                found += self._said(bench)
        self._hand_out()
        return found

    def _said(self, bench: _Bench) -> list[Judgement]:
        import ray

        cases, ref = bench.cases, bench.ref
        bench.cases, bench.ref = [], None
        try:
            said = ray.get(ref)
        except ray.exceptions.RayActorError:
            bench.actor = self._actor()
            return self._survived(cases)
        return [Judgement(case.key, one) for case, one in zip(cases, said, strict=True)]

    def _survived(self, cases: Sequence[_Case]) -> list[Judgement]:
        """A judge died: what it was at is judged again, before all else; what killed two of them is given up."""
        self._queue.extendleft(replace(case, again=True) for case in reversed(cases) if not case.again)
        return [Judgement(case.key, Judged(None, "two judges died with it")) for case in cases if case.again]

    def dismiss(self) -> None:
        """End all processes."""
        import ray

        if self._book is not None:
            self._book.close()
        for bench in self._benches:
            ray.kill(bench.actor)
