"""The rewards of a run by their identifiers: who judges an answer, and what happens where nobody can.

A sample's `meta["reward"]`, or else its `meta["verifier"]`, names its reward, so that items with an exact answer (RLVR)
and items that a model judges (RLHF) mix in one batch. Nothing that a reward does ends a run: one that throws, hangs,
returns no finite number or is not there gives no verdict, and a reason. `Failures` counts them. Ours.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from lapis import verify
from lapis.types import Completion, InputError, Sample, Verdict


@dataclass(frozen=True, slots=True)
class Item:
    """A question, with the `meta` that says who judges it, and one answer."""

    sample: Sample
    answer: Completion


class Failed(Exception):
    """There is no verdict on an answer; the message says why."""


class Reward(Protocol):
    """Judges answers. One that cannot judge a single item puts a `Failed` in its place; what it raises fails all.

    One whose `bounded` is true sees to it itself that it returns; others are left behind when they take too long.
    """

    def __call__(self, items: Sequence[Item]) -> Sequence[Verdict | Failed]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, or why there is none."""

    verdict: Verdict | None
    reason: str = ""
    second: Judged | None = None
    """What the verifier model beside the rules says; None where it was not asked."""

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Judged:
        """Back from `facts`."""
        verdict, second = facts["verdict"], facts["second"]
        return Judged(verdict and Verdict(**verdict), facts["reason"], second and Judged.of(second))


def name_of(sample: Sample) -> str:
    """The identifier of a sample's reward; empty where it names none."""
    return str(sample.meta.get("reward", sample.meta.get("verifier", "")))


def exact(sample: Sample) -> bool:
    """Whether answers are right or wrong by a rule (RLVR) rather than better or worse (RLHF)."""
    return name_of(sample) in verify.VERIFIERS


def incomplete(sample: Sample) -> str:
    """What a question lacks; empty where it is whole."""
    return "an image is missing" if any(not image.data for image in sample.images) else ""


def unfit(item: Item) -> str:
    """Why an item cannot be judged by anyone; empty where it can.

    Bytes that are no UTF-8 are U+FFFD once a tokenizer has decoded them; halves of a character come from JSON.
    """
    if any(one == "\ufffd" or "\ud800" <= one <= "\udfff" for one in item.answer.text):
        return "the answer is no valid UTF-8"
    return incomplete(item.sample)


@dataclass(slots=True)
class Book:
    """Rewards by identifier, behind one call that always returns."""

    rewards: Mapping[str, Reward]
    seconds: float = 60.0
    """Most that a reward which is not bounded may take for each of the items that it is given at once."""
    beside: str = ""
    """Identifier of the verifier model that is asked about exact questions as well."""
    unfit: Callable[[Item], str] = unfit
    """Why nobody can judge an item; empty where somebody may."""

    def judge(self, items: Sequence[Item]) -> list[Judged]:
        """One for each item, in order. Each reward is called once, with all of its items; all of them at once."""
        judged = [Judged(None, self.unfit(item)) for item in items]
        first, second = self._dealt(items, judged)
        calls = [*first.items(), *second.items()]
        with ThreadPoolExecutor(max(1, len(calls))) as threads:
            said = list(threads.map(lambda call: self._by(call[0], [items[place] for place in call[1]]), calls))
        for number, ((_, places), found) in enumerate(zip(calls, said, strict=True)):
            for place, one in zip(places, found, strict=True):
                judged[place] = one if number < len(first) else replace(judged[place], second=one)
        return judged

    def _dealt(self, items: Sequence[Item], judged: Sequence[Judged]) -> tuple[dict[str, list[int]], ...]:
        """Places of the items of each reward, and of those that the model beside the rules reads, which wants a
        reference."""
        first: dict[str, list[int]] = defaultdict(list)
        second: dict[str, list[int]] = defaultdict(list)
        for place, item in enumerate(items):
            if judged[place].reason:
                continue
            first[name_of(item.sample)].append(place)
            if self.beside and exact(item.sample) and "answer" in item.sample.meta:
                second[self.beside].append(place)
        return first, second

    def close(self) -> None:
        """End what the rewards keep open: their processes."""
        for close in {getattr(reward, "close", None) for reward in self.rewards.values()}:
            if close is not None:
                close()

    def _by(self, name: str, items: Sequence[Item]) -> list[Judged]:
        if name not in self.rewards:
            return [Judged(None, f"no reward named {name!r}")] * len(items)
        reward = self.rewards[name]
        found = within(None if getattr(reward, "bounded", False) else self.seconds * len(items), reward, items)
        if isinstance(found, Exception) and not isinstance(found, TimeoutError) and len(items) > 1:
            return [one for item in items for one in self._by(name, [item])]
        if isinstance(found, Exception):
            found = [Failed(_said(found))] * len(items)
        if not isinstance(found, Sequence) or len(found) != len(items):
            found = [Failed(f"returned {found!r:.80} for {len(items)} answers")] * len(items)
        return [_judged(name, one) for one in found]


def _judged(name: str, found: Any) -> Judged:
    """What a reward returned, as a verdict only if it is one."""
    if isinstance(found, Exception):
        return Judged(None, f"{name}: {_said(found)}")
    score = getattr(found, "score", found)
    number = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    if not isinstance(found, Verdict) or not number:
        return Judged(None, f"{name}: returned {score!r:.80}, expected a verdict with a finite number")
    return Judged(found)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, Failed | InputError | TimeoutError) else f"{type(error).__name__}: {text}"


def within(seconds: float | None, reward: Reward, items: Sequence[Item]) -> Any:
    """What a reward returns or raises; TimeoutError where that takes longer than `seconds`, if there is such a limit.
    Its thread is then left to itself."""
    box: list[Any] = []

    def work() -> None:
        try:
            box.append(reward(items))
        except (Exception, SystemExit) as error:
            box.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return box[0] if box else TimeoutError(f"no verdict within {seconds:g} s")


@dataclass(slots=True)
class Failures:
    """Counts answers without a verdict, and stops a run that has too many of them.

    With b of the last `window` answers failed, the run stops when b > share * window: also before there were so many,
    for no later answer can make b smaller in time.
    """

    share: float
    window: int
    seen: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Reason to how often, over the whole run."""
    last: deque[bool] = field(default_factory=deque)

    def add(self, judged: Sequence[Judged]) -> None:
        """Count some answers."""
        for one in judged:
            self.seen += 1
            self.last.append(one.verdict is None)
            if len(self.last) > self.window:
                self.last.popleft()
            if one.verdict is None:
                self.failed[one.reason] += 1

    def stop(self) -> str:
        """Why the run must stop, with the commonest reason; empty where it need not.

        The answers that stopped it do not count again: who mends the reward may go on from the checkpoint.
        """
        many, last = sum(self.last), len(self.last)
        if many <= self.share * self.window:
            return ""
        self.last.clear()
        reason, times = self.failed.most_common(1)[0]
        return (
            f"{many} of the last {last} answers have no verdict, more than {self.share:.0%} of {self.window}; "
            f"mostly (of {self.failed.total()} in all, {times}): {reason}"
        )

    def facts(self) -> dict[str, Any]:
        """For a checkpoint and for the metrics, as JSON."""
        return {"seen": self.seen, "failed": dict(self.failed), "last": list(self.last)}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        self.seen, self.failed, self.last = facts["seen"], Counter(facts["failed"]), deque(facts["last"])
