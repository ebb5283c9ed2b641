"""Which engine writes what: questions wait in one queue, and an engine takes a group when it has room.

The one with the fewest tokens in flight comes first, and a group's answers go to one engine, which reads their prompt
once. Nothing is handed out before an engine has room for it, so that a few long answers do not hold up others.
Tokens in flight: of every answer that is not finished its prompt's tokens and the most that it may write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from lapis.rl.fleet.messages import Key, Question


def plain(question: Question) -> bool:
    """It has text alone, and its thought no budget."""
    return question.request.budget < 0 and not any(turn.images for turn in question.request.turns)


@dataclass(slots=True)
class Load:
    """What an engine has in flight."""

    plain: bool = False
    """It takes plain questions alone."""
    flying: dict[Key, tuple[Question, int]] = field(default_factory=dict)
    """Questions with their tokens."""

    @property
    def tokens(self) -> int:
        return sum(tokens for _, tokens in self.flying.values())


@dataclass(slots=True)
class Dispatcher:
    """Groups that wait, and engines by name."""

    slots: int
    """Most answers that an engine has in flight; a larger group goes to an idle engine."""
    loads: dict[str, Load] = field(default_factory=dict)
    queue: deque[tuple[tuple[Question, int], ...]] = field(default_factory=deque)

    def join(self, name: str, plain: bool = False) -> None:
        """A new engine, without work."""
        self.loads[name] = Load(plain)

    def add(self, questions: Sequence[Question], tokens: Sequence[int]) -> None:
        """Questions that share a prompt wait for an engine; `tokens` are the most that each takes."""
        self.queue.append(tuple(zip(questions, tokens, strict=True)))

    def next(self) -> tuple[str, list[Question]] | None:
        """An engine and what it is to write now; None where nothing waits, or no engine has room for its next."""
        for name, load in sorted(self.loads.items(), key=lambda one: one[1].tokens):
            place = next((n for n, group in enumerate(self.queue) if not load.plain or plain(group[0][0])), None)
            if place is None:
                continue
            group = self.queue[place]
            if not load.flying or len(load.flying) + len(group) <= self.slots:
                del self.queue[place]
                load.flying.update({question.key: (question, tokens) for question, tokens in group})
                return name, [question for question, _ in group]
        return None

    def finished(self, name: str, key: Key) -> bool:
        """An engine is done with a question; false where it was not asked (any more)."""
        load = self.loads.get(name)
        return load is not None and load.flying.pop(key, None) is not None

    def lost(self, name: str) -> int:
        """An engine died: what it had in flight waits again, before all else. Returns how many questions."""
        load = self.loads.pop(name)
        groups: dict[int, list[tuple[Question, int]]] = {}
        for (place, _), one in load.flying.items():
            groups.setdefault(place, []).append(one)
        self.queue.extendleft(tuple(group) for _, group in sorted(groups.items(), reverse=True))
        return len(load.flying)

    def clear(self) -> None:
        """Nothing waits and nothing flies."""
        self.queue.clear()
        for load in self.loads.values():
            load.flying.clear()
