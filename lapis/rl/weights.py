"""How trained weights reach the engine: versioned, and behind a protocol that other transports can take."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn


class Transport(Protocol):
    """Brings the trainer's weights to the engine."""

    @property
    def version(self) -> int:
        """Of the weights that the engine holds."""
        ...

    def push(self, version: int) -> None:
        """The engine's next token is written with the trainer's present weights."""
        ...


class InProcess:
    """Copies parameters from one module into another of the same names, casting to the engine's dtype and device.

    Call it between `generate` calls only.
    """

    def __init__(self, trainer: nn.Module, engine: nn.Module):
        mine, theirs = dict(trainer.named_parameters()), dict(engine.named_parameters())
        self._pairs = [(mine[name], theirs[name]) for name in mine]
        self._version = 0

    @property
    def version(self) -> int:
        return self._version

    @torch.no_grad()
    def push(self, version: int) -> None:
        for source, target in self._pairs:
            target.copy_(source)
        self._version = version
