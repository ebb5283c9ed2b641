"""What the processes of RL tell each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from lapis.rl.fleet.trace import Span
from lapis.rl.rewards.book import Judged
from lapis.types import Completion, Request

Address = tuple[str, int]
"""Host and port."""
Key = tuple[int, int]
"""(place, member): the question's place among all of the run, and which of its answers."""


@dataclass(frozen=True, slots=True)
class Question:
    """One answer that is wanted."""

    key: Key
    request: Request


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is finished, or could not be."""

    key: Key
    completion: Completion | None
    versions: tuple[int, ...] = ()
    """Of the weights that wrote each token."""
    fault: str = ""
    """Why there is no completion."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of an answer."""

    key: Key
    judged: Judged


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine tells when it is asked."""

    answers: tuple[Answer, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A meeting of the trainer and all engines, in which weights are sent."""

    number: int
    """Of its own: who was there once does not matter."""
    address: Address
    """Of the trainer's store."""
    size: int
    """Processes; the trainer is 0."""
    version: int
    """Of the weights."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one side of a transfer took."""

    seconds: float
    megabytes: float
    spans: tuple[Span, ...] = field(default=())
