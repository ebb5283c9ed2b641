"""Checks of answers, one by one as they are finished: in processes of their own, or where the loop runs.

A check that throws, hangs, or says what is no number costs its answer, with the reason; never the run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lapis import verify
from lapis.rl.fleet.messages import Answer, Key
from lapis.types import Completion, Sample, Verdict

PATIENCE = 60.0
"""Seconds that a check may take."""

Check = Callable[[Sample, Completion], Verdict]
"""What an answer to a sample's question is worth."""
Make = Callable[[], Check]
"""Gives a check, in the process that it is for; a module's own function, as it is sent there by name."""


class NoVerdict(Exception):
    """An answer could not be judged. The message is the reason."""


def rules() -> Check:
    """Checks by each sample's own verifier."""
    return by_rules


def by_rules(sample: Sample, completion: Completion) -> Verdict:
    """By the sample's own verifier."""
    return verify.check(sample.meta, completion.text, completion.closed)


def judged(check: Check, sample: Sample, completion: Completion) -> Verdict:
    """The check's verdict. Raises NoVerdict for one that throws, or whose score is no finite number."""
    try:
        verdict = check(sample, completion)
    except Exception as error:
        raise NoVerdict(f"check: {type(error).__name__}: {error}") from None
    if not isinstance(verdict, Verdict) or not isinstance(verdict.score, int | float):
        raise NoVerdict(f"check: gave {verdict!r}, expected a verdict")
    if not math.isfinite(verdict.score):
        raise NoVerdict(f"check: score is {verdict.score}")
    return verdict


class JudgeProcess:
    """The actor."""

    def __init__(self, make: Make):
        self.check = make()

    def hello(self) -> None:
        """Answers once the process is there."""

    def judge(self, sample: Sample, completion: Completion) -> Verdict:
        """See `judged`."""
        return judged(self.check, sample, completion)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, or why there is none."""

    key: Key
    verdict: Verdict | None
    fault: str = ""


@dataclass(slots=True)
class _Bench:
    """A judge's process and what it was asked, in order."""

    actor: Any
    hello: Any
    """What it gives when it is there; None afterwards."""
    asked: dict[Any, tuple[Sample, Answer]] = field(default_factory=dict)
    since: float = 0.0
    """When it began with the first of them, at the earliest."""

    def late(self, patience: float) -> bool:
        """It takes too long."""
        import ray

        if self.hello is not None and ray.wait([self.hello], timeout=0)[0]:
            self.hello, self.since = None, time.monotonic()
        return self.hello is None and bool(self.asked) and time.monotonic() - self.since > patience


class Judges:
    """Some judges' processes, or none: then answers are judged where they are asked about."""

    def __init__(self, many: int, make: Make, patience: float = PATIENCE):
        self._make, self._patience = make, patience
        self._check = None if many else make()
        self._benches = [self._bench() for _ in range(many)]
        self._now: list[Judged] = []

    def _bench(self) -> _Bench:
        import ray

        actor = ray.remote(num_cpus=0)(JudgeProcess).remote(self._make)
        return _Bench(actor, actor.hello.remote())

    @property
    def refs(self) -> list[Any]:
        """Of verdicts that are awaited."""
        return [ref for bench in self._benches for ref in bench.asked]

    def ask(self, sample: Sample, answer: Answer) -> None:
        """Have an answer judged, by the judge with the least to do."""
        assert answer.completion is not None
        if self._check is not None:
            self._now.append(_now(self._check, sample, answer))
            return
        self._put(min(self._benches, key=lambda one: len(one.asked)), sample, answer)

    def _put(self, bench: _Bench, sample: Sample, answer: Answer) -> None:
        if not bench.asked:
            bench.since = time.monotonic()
        ref = bench.actor.judge.remote(sample, answer.completion)
        bench.asked[ref] = sample, answer

    def done(self, refs: Sequence[Any]) -> list[Judged]:
        """The verdicts of these, of what was judged here, and of those that a judge hangs at."""
        found, self._now = self._now, []
        for bench in self._benches:
            for ref in [ref for ref in refs if ref in bench.asked]:
                found += self._verdict(bench, ref)
            if bench.late(self._patience):
                found += self._renew(bench, f"check: took more than {self._patience:g} s")
        return found

    def _verdict(self, bench: _Bench, ref: Any) -> list[Judged]:
        import ray

        if ref not in bench.asked:
            return []
        try:
            verdict = ray.get(ref)
        except ray.exceptions.RayActorError:
            return self._renew(bench, "check: its process died")
        except ray.exceptions.RayTaskError as error:
            _, answer = bench.asked.pop(ref)
            return [Judged(answer.key, None, str(error.cause))]
        bench.since = time.monotonic()
        _, answer = bench.asked.pop(ref)
        return [Judged(answer.key, verdict)]

    def _renew(self, bench: _Bench, reason: str) -> list[Judged]:
        """Another process in place of one; what it was at is given up, the rest is asked again."""
        import ray

        found = [(one, _there(ref)) for ref, one in bench.asked.items()]
        ray.kill(bench.actor)
        done = [Judged(answer.key, verdict) for (_, answer), verdict in found if verdict is not None]
        left = [one for one, verdict in found if verdict is None]
        (_, first), *rest = left
        fresh = self._bench()
        bench.actor, bench.hello, bench.asked = fresh.actor, fresh.hello, {}
        for sample, answer in rest:
            self._put(bench, sample, answer)
        return [*done, Judged(first.key, None, reason)]

    def dismiss(self) -> None:
        """End all processes."""
        import ray

        for bench in self._benches:
            ray.kill(bench.actor)


def _there(ref: Any) -> Verdict | None:
    """A verdict that has come already."""
    import ray

    try:
        return ray.get(ref) if ray.wait([ref], timeout=0)[0] else None
    except ray.exceptions.RayError:
        return None


def _now(check: Check, sample: Sample, answer: Answer) -> Judged:
    assert answer.completion is not None
    try:
        return Judged(answer.key, judged(check, sample, answer.completion))
    except NoVerdict as error:
        return Judged(answer.key, None, str(error))
