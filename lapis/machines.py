"""How training is spread over processes and machines, and what a machine keeps: frozen dataclasses as in config.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen

from lapis.shape import Count, Positive, Rate


@dataclass(frozen=True, slots=True)
class Floor:
    """What the preflight asks of a node at least; 0 asks nothing."""

    tflops: Rate = 0.0
    """TFLOP/s of each process's matrix product: bf16 on a GPU, fp32 on a CPU."""
    link: Rate = 0.0
    """GB/s at which the node's processes sum up a tensor."""
    disk: Rate = 1.0
    """GB that are free in the run folder."""


@dataclass(frozen=True, slots=True)
class Dist:
    """How training is spread over processes; what it computes does not depend on it, up to the order of sums."""

    nproc: Positive = 1
    """Processes on a machine: one a GPU, or one a core."""
    nodes: Positive = 1
    """Machines that train together; the same command runs on each, and the run folder is shared."""
    least: Count = 0
    """Fewest of them to go on with when others fail; 0 is all of them."""
    node: Annotated[int, Ge(-1)] = -1
    """This machine's number; 0 leads the run. -1: the machine that `rendezvous` names leads."""
    rendezvous: str = ""
    """host:port of the machine that leads, as the others reach it; it listens there."""
    floor: Floor = field(default_factory=Floor)
    engine: Literal["fsdp", "deepspeed"] = "fsdp"
    """What partitions weights, gradients and moments over data-parallel ranks: PyTorch's FSDP2, or DeepSpeed's ZeRO."""
    zero: Literal[2, 3] = 3
    """Stage of ZeRO (deepspeed): 2 keeps the weights whole on every rank, 3 partitions them too."""
    replicate: Positive = 1
    """Copies of the sharded weights (hybrid sharding); data-parallel ranks are what cp and tp leave."""
    cp: Positive = 1
    """Context parallel: ranks that split the tokens of a row."""
    tp: Positive = 1
    """Tensor parallel: ranks that split heads and MLP channels."""
    whole_mb: Count = 256
    """Networks of at most so many MB of fp32 weights are gathered at once and stay whole until a step's last backward
    (fsdp); larger ones layer by layer, anew for each backward. Small messages cost more than memory for few weights."""
    restarts: Count = 3
    """Times that a stage's processes are started again after one died or hung."""
    patience: Annotated[float, Gt(0)] = 600.0
    """Seconds that processes wait for each other before they are taken for hung."""
    grace: Positive = 30
    """Seconds that they have to save and end after SIGTERM."""
    context: Literal["gather", "ulysses"] = "gather"
    """How context ranks see each other's keys: all gathered, or heads exchanged for tokens (arXiv 2309.14509)."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Where shards of an object store are kept on this machine's disk; shards in a local folder are read in place."""

    folder: Annotated[str, MinLen(1)] = "~/.cache/lapis/shards"
    """May be shared by processes and by runs."""
    gigabytes: Annotated[float, Gt(0)] = 100.0
    """Most of them; files that are open or have just arrived may stand over it."""
    ahead: Count = 16
    """Coming steps whose shards are fetched ahead of them."""
