"""Whose the tokens of the KV cache are: runs that live requests own, and runs kept because their prompt may come again.

Unusual: a run is as long as its request needs (prompt and most tokens, in whole blocks), so requests of all lengths
share one budget. Runs are contiguous, not paged: attention then reads keys where they lie, and a gap that is too small
waits until its neighbour goes, which it does, since every request ends. What is kept is only what a prefill computed:
an answer's keys come from other shapes, and would not be the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lapis.model.cache import BLOCK, whole

Key = npt.NDArray[np.int64]
"""What a prompt's tokens are: ids, and in an image's places a number of its bytes."""
KEPT = 256
"""Most prompts that are kept, where nothing is said; each costs a comparison when a request comes."""


@dataclass(eq=False, slots=True)
class Run:
    """Some tokens of the cache in a row."""

    start: int
    size: int
    key: Key = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Of a kept run, what it holds."""

    @property
    def end(self) -> int:
        return self.start + self.size


def common(one: Key, other: Key) -> int:
    """Tokens of whole blocks that two prompts begin with alike."""
    size = min(len(one), len(other))
    differ = one[:size] != other[:size]
    return (int(differ.argmax()) if differ.any() else size) // BLOCK * BLOCK


class Memory:
    """The runs of a cache of `tokens` tokens. They begin at multiples of `step` where nobody has to make way for that;
    at most `keep` prompts of requests that are gone are kept."""

    def __init__(self, tokens: int, step: int = BLOCK, keep: int = KEPT):
        self.tokens, self.step, self.keep = tokens, step, keep
        self._owned: list[Run] = []
        self._kept: list[Run] = []
        """The one that was of use the longest ago comes first."""

    @property
    def used(self) -> int:
        """Tokens that live requests own."""
        return sum(run.size for run in self._owned)

    def take(self, tokens: int, spare: Run | None = None) -> Run | None:
        """A run of so many tokens, in whole blocks; None where live requests leave no room. Kept runs make way, the
        oldest first, `spare` last."""
        size = whole(tokens)
        if self._gap(size, self._owned, BLOCK) is None:
            return None
        while (start := self._place(size)) is None:
            self._kept.remove(next((run for run in self._kept if run is not spare), self._kept[0]))
        run = Run(start, size)
        self._owned.append(run)
        return run

    def _place(self, size: int) -> int | None:
        """Where a run of that size can begin, at a multiple of `step` where it can."""
        runs = (*self._owned, *self._kept)
        start = self._gap(size, runs, self.step)
        return self._gap(size, runs, BLOCK) if start is None else start

    def _gap(self, size: int, runs: Sequence[Run], step: int) -> int | None:
        """The first multiple of `step` behind which that size is free."""
        at = 0
        for run in sorted(runs, key=lambda run: run.start):
            if run.start - at >= size:
                return at
            at = math.ceil(run.end / step) * step
        return at if self.tokens - at >= size else None

    def free(self, run: Run, key: Key) -> None:
        """The request is gone. Its run stays with the prompt that it holds, as far as whole blocks were computed."""
        self._owned.remove(run)
        length = len(key) // BLOCK * BLOCK
        if not length or any(common(other.key, key) >= length for other in self._kept):
            return
        self._kept = [other for other in self._kept if common(other.key, key) < len(other.key)]
        self._kept.append(Run(run.start, length, key[:length].copy()))
        del self._kept[: max(0, len(self._kept) - self.keep)]

    def best(self, key: Key) -> tuple[int, Run | None]:
        """The kept run that begins most like a prompt, and how many tokens of it."""
        length, place = max(((common(run.key, key), at) for at, run in enumerate(self._kept)), default=(0, 0))
        if not length:
            return 0, None
        self._kept.append(self._kept.pop(place))
        return length, self._kept[-1]

    def forget(self) -> None:
        """The weights changed, or may have: nothing that was kept is of use."""
        self._kept.clear()

    def __iter__(self) -> Iterator[Run]:
        """All runs, for those who count."""
        return iter((*self._owned, *self._kept))
