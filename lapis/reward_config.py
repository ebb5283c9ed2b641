"""What can be said about rewards: whose word counts for which answers, how failures end a run, and reward models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Gt, Lt

from lapis.endpoint import Endpoint
from lapis.shape import Count, Positive, Rate, Share


@dataclass(frozen=True, slots=True)
class Reward:
    """Weights of the shaped reward: correctness + format - repetition - length (rl/shaping.py)."""

    correct: Rate = 1.0
    format: Rate = 0.1
    repetition: Rate = 0.2
    overlong: Rate = 0.3
    """Most that Group Overlong takes from a correct answer."""
    tolerance: Rate = 0.2
    """Length over the group's mean correct length, as a share, that costs nothing."""
    min_correct: Share = 0.3
    """Share of the group that must be correct before length costs anything."""
    length: Rate = 0.0
    """Most that nearness to the token limit takes from any answer (DAPO's soft overlong punishment)."""
    room: Positive = 32
    """Tokens before that limit in which it grows."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model's judgement is got from it."""

    retries: Count = 3
    """Further tries after a reply that cannot be read; for one that does not come there are those of the endpoint."""
    cache: str = ""
    """Folder where judgements are kept; empty keeps none."""


@dataclass(frozen=True, slots=True)
class Calling:
    """How a reward service is asked."""

    retries: Count = 3
    """Further tries, each on another replica, where one died, hangs or was taken away."""
    seconds: Annotated[float, Gt(0)] = 15.0
    """Most that one try may take, with what it waits for a replica."""


@dataclass(frozen=True, slots=True)
class Rewards:
    """How answers are judged. A sample's `meta["reward"]`, or else its `meta["verifier"]`, names its reward: a rule of
    `lapis/verify.py`, or an identifier that one of these gives."""

    own: dict[str, str] = field(default_factory=dict)
    """Identifier to the user's own check, `package.module:function` (docs/rewards.md)."""
    graders: dict[str, Endpoint] = field(default_factory=dict)
    """Identifier to a generative reward model."""
    checkers: dict[str, Endpoint] = field(default_factory=dict)
    """Identifier to a verifier model."""
    trained: dict[str, str] = field(default_factory=dict)
    """Identifier to a reward model's folder, as `lapis train-rm` writes it."""
    services: tuple[str, ...] = ()
    """Identifiers of services on the cluster at `ray.address` (`lapis rewards start`), for RL by processes."""
    calling: Calling = field(default_factory=Calling)
    """Of services; all tries together have at most `seconds`."""
    beside: str = ""
    """One of `checkers`, which is asked about what rules judge as well; how far they agree is told, and no more."""
    asking: Asking = field(default_factory=Asking)
    """Of graders and checkers."""
    workers: Positive = 1
    """Processes that rules run in."""
    seconds: Annotated[float, Gt(0)] = 60.0
    """Most that a judgement of one answer may take."""
    weights: dict[str, Rate] = field(default_factory=dict)
    """Kind prefix to the weight of its answers in an update, 1 where none fits."""
    failures: Share = 0.1
    """Share of the last answers that may be without a verdict; more end the stage, with a checkpoint."""
    window: Positive = 200
    """How many answers these last ones are; all of the run's where it asks for fewer."""


@dataclass(frozen=True, slots=True)
class RewardModel:
    """Training of a scalar head on a decoder by pairs of preferences (Bradley-Terry)."""

    steps: Positive = 200
    pairs: Positive = 16
    """Pairs of a step."""
    row_tokens: Positive = 1024
    """Tokens of a packed row; pairs that are longer are left out and counted."""
    held: Annotated[float, Gt(0), Lt(1)] = 0.1
    """Share of the prompts whose pairs are measured and never trained on."""
    lr: Rate = 1e-4
    """Peak learning rate of the decoder."""
    lr_head: Rate = 1e-3
    warmup: Share = 0.05
    clip: Annotated[float, Gt(0)] = 1.0
    centre: Rate = 0.01
    """Weight of the mean of squared pair sums, which keeps scores around 0 (arXiv 2312.09244, section 3)."""
    checkpoint_every: Positive = 50
    seed: Count = 0
