"""What a trainer must know of how weights lie over processes: an engine, and this process's piece of each parameter.

Unusual: an engine brings no optimizer. Whatever partitions the weights, the same optimizers (train/optim.py) update the
same pieces of this process, and checkpoints hold whole named tensors, so that a run may go on under another engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from lapis.dist.mesh import Mesh

Value = TypeVar("Value")
Run = tuple[int, int]
"""First element, and the one after the last, among those of a parameter."""


class Piece(Protocol):
    """What this process holds of one parameter."""

    @property
    def own(self) -> nn.Parameter:
        """What an optimizer updates: memory of the weights themselves, of any form, perhaps without elements."""
        ...

    @property
    def shape(self) -> torch.Size:
        """Of the whole parameter."""
        ...

    @property
    def copies(self) -> int:
        """How many processes hold these elements."""
        ...

    def runs(self) -> list[Run] | None:
        """Which elements each process holds, by rank; None where one's do not lie in a row. All must call it."""
        ...

    def gradient(self) -> Tensor | None:
        """Its elements' gradient, summed over processes, as memory that may be scaled in place."""
        ...

    def whole(self, values: Tensor) -> Tensor:
        """All of a tensor that is spread like the parameter, of whose elements `values` are these; all must call it."""
        ...

    def cut(self, full: Tensor) -> Tensor:
        """These elements of a whole tensor, in the form of `own`."""
        ...

    def saved(self, values: Tensor) -> Tensor:
        """How a checkpoint takes such values."""
        ...

    def restore(self, values: Tensor, saved: Tensor) -> None:
        """Fill such values from what `saved` gave and a checkpoint has filled."""
        ...


class Engine(Protocol):
    """A network over the processes of a mesh."""

    mesh: Mesh

    @property
    def pieces(self) -> Mapping[str, Piece]:
        """Of what is trained, by name."""
        ...

    def run(self, work: Callable[[], tuple[Tensor, Value]]) -> tuple[Tensor, Value]:
        """Forward and losses, with weights where they are read; the tensor is what `backward` may be given."""
        ...

    def backward(self, loss: Tensor, last: bool) -> None:
        """Gradients of a micro-batch; with the step's last one all of them are summed over processes."""
        ...

    def update(self, work: Callable[[], None]) -> None:
        """Have the optimizers update the pieces, and the weights follow them."""
        ...

    def clear(self) -> None:
        """Forget gradients."""
        ...

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Whole tensors by name on the CPU, one at a time; every process must take all of them."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as a checkpoint takes them."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what a checkpoint filled `tensors()` with."""
        ...

    def close(self) -> None:
        """Let go of the network, before it is built anew."""
        ...
