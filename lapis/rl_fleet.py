"""How the processes of RL run: engine and trainer in turns in one process, or side by side on Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

from lapis.shape import Count, Positive


@dataclass(frozen=True, slots=True)
class Fleet:
    """Engines, judges and a trainer, and how far they may be apart."""

    mode: Literal["inline", "sync", "async"] = "async"
    """inline: in turns in one process. sync: the same steps by processes on Ray, token for token. async: answers for
    later steps are written while a step trains."""
    ranks: Positive = 1
    """Processes that train, over which the decoder's weights are sharded (FSDP2): beside the orchestrator, or where the
    cluster has GPUs."""
    engines: Positive = 1
    """Processes that write answers."""
    engines_on: str = ""
    """Where they are: on machines whose `ray start --resources` offers this; each takes one of it. Empty: anywhere."""
    outside: tuple[str, ...] = ()
    """Addresses of vLLM servers that also write answers, where a question has neither image nor budget (docs/rl.md)."""
    slots: Positive = 64
    """Most answers that one of them writes at once; other questions wait where any engine can take them."""
    judges: Count = 1
    """Processes that check answers as they are finished; 0 checks them in the loop's own process."""
    staleness: Positive = 1
    """Of async: steps that rollouts begin ahead of the trainer; 1 is one-step asynchronous."""
    carry: Count = 1
    """Of async: further steps that a group with long answers may go on for; then the trainer waits for it."""
    threads: Positive = 1
    """Of the trainer, and of each engine."""
    weights: Literal["broadcast", "files"] = "broadcast"
    """How they reach the engines: by torch.distributed, or through files in the stage's folder (tests)."""
    bucket_mb: Annotated[float, Gt(0)] = 16.0
    """Megabytes of weights that are sent in one piece."""
    alarm: Annotated[float, Gt(0)] = 0.1
    """Mismatch KL of trainer and engines, nats a token, from which on a step is told in alarms.jsonl."""
    stop: Annotated[float, Gt(0)] = 1.0
    """The same, from which on three steps in a row end the stage, with a checkpoint."""


@dataclass(frozen=True, slots=True)
class Ray:
    """The cluster that processes of RL run on."""

    address: str = ""
    """Of a cluster to join, as `ray start` tells it; empty starts one on this machine that nobody else can reach."""
