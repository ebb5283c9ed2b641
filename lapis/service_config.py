"""What can be said about reward services: what is served, by how many processes, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Gt

from lapis.endpoint import Endpoint
from lapis.reward_config import Asking
from lapis.shape import Positive, Rate

Kind = Literal["rules", "own", "made", "grader", "checker", "trained"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many processes (replicas) serve, by the load."""

    least: Positive = 1
    most: Positive = 4
    ongoing: Annotated[float, Gt(0)] = 4.0
    """Requests under way, those that wait included, that each replica should have: more of them add replicas, fewer
    take some away."""
    up: Rate = 5.0
    """Seconds that more must be wanted before they are started."""
    down: Rate = 120.0
    """Seconds that fewer must be enough before some are ended, which first finish what they are at."""
    interval: Annotated[float, Gt(0)] = 2.0
    """Seconds between counts of requests."""
    window: Annotated[float, Gt(0)] = 10.0
    """Seconds over which counts are averaged; more than `interval`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests of whoever asks that a replica judges in one call."""

    size: Positive = 8
    """Most of them."""
    wait: Rate = 0.02
    """Seconds that the first one waits for others."""
    at_once: Positive = 1
    """Calls at the same time: 1 where they compute, more where they wait for another machine."""


@dataclass(frozen=True, slots=True)
class Service:
    """One reward service."""

    kind: Kind = "rules"
    """rules: every verifier of `lapis/verify.py`. own: a check. made: a reward that a function makes. grader: the
    generative reward model. checker: the verifier model. trained: a reward model of `lapis train-rm`."""
    place: str = ""
    """own: the check, made: the function, which takes nothing, both `package.module:name`. trained: the folder."""
    endpoint: Endpoint | None = None
    """The server of grader and checker, ours or any other that speaks OpenAI's API. Each replica reads its key from the
    environment of the machine it is on, so that no key passes through the cluster."""
    asking: Asking = field(default_factory=Asking)
    """How grader and checker ask."""
    workers: Positive = 1
    """Processes that the checks of rules and own run in, for each replica."""
    seconds: Annotated[float, Gt(0)] = 30.0
    """Most that judging one answer may take. A replica where it takes longer is replaced."""
    health: Annotated[float, Gt(0)] = 10.0
    """Seconds between checks of a replica; one that fails three in a row is replaced."""
    cpus: Rate = 0.0
    """Cores that Ray sets aside for a replica."""
    gpus: Rate = 0.0
    """GPUs, or shares of one, that it sets aside."""
    scale: Scale = field(default_factory=Scale)
    batch: Batch = field(default_factory=Batch)
