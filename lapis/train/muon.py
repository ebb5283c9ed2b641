"""Muon over several processes: momentum by piece, each whole matrix orthogonalised by one of them.

Unusual: the orthogonalisation is `torch.optim.Muon`'s own, run without momentum and decay on a matrix of zeros, so that
what comes out is the update alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lapis.dist import shard
from lapis.dist.mesh import Mesh

MOMENTUM = 0.95
"""Of Muon (its author's)."""


class SpreadMuon(torch.optim.Optimizer):
    """`torch.optim.Muon` (rates matched to AdamW's) of matrices that are spread over all processes of a mesh.

    `parameters` are what the pieces in `groups` belong to. Matrices go to owners in rounds of one each, large ones
    first, so that a round's owners work side by side.
    """

    def __init__(self, groups: list[dict[str, Any]], parameters: Mapping[nn.Parameter, nn.Parameter], mesh: Mesh):
        super().__init__(groups, {})
        self.parameters, self.mesh = parameters, mesh
        for piece in parameters:
            self.state[piece] = {"momentum_buffer": torch.zeros_like(piece)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for members in self._rounds():
            updates = [shard.whole(self._update(piece)) for piece, _ in members]
            if self.mesh.rank < len(members):
                mine = updates[self.mesh.rank]
                mine.copy_(_orthogonal(mine, members[self.mesh.rank][1]["lr"]))
            for owner, ((piece, group), update) in enumerate(zip(members, updates, strict=True)):
                dist.broadcast(update, owner)
                piece.mul_(1 - group["lr"] * group["weight_decay"])
                piece.add_(shard.cut(self.parameters[piece], update))

    def _rounds(self) -> Iterator[list[tuple[nn.Parameter, dict[str, Any]]]]:
        every = [(piece, group) for group in self.param_groups for piece in group["params"]]
        every.sort(key=lambda pair: -self._work(pair[0]))
        for first in range(0, len(every), self.mesh.world):
            yield every[first : first + self.mesh.world]

    def _work(self, piece: nn.Parameter) -> int:
        shape = self.parameters[piece].shape
        return shape.numel() * min(shape)

    def _update(self, piece: nn.Parameter) -> Tensor:
        """Nesterov's update of a piece, as part of its spread matrix."""
        assert piece.grad is not None
        momentum = self.state[piece]["momentum_buffer"]
        momentum.lerp_(piece.grad, 1 - MOMENTUM)
        return shard.like(self.parameters[piece], piece.grad.lerp(momentum, MOMENTUM))


def _orthogonal(update: Tensor, rate: float) -> Tensor:
    """What Muon adds to a matrix for a finished update."""
    zero = nn.Parameter(torch.zeros_like(update))
    zero.grad = update
    with torch.enable_grad():
        muon = torch.optim.Muon([zero], rate, 0.0, 0.0, nesterov=False, adjust_lr_fn="match_rms_adamw")
        muon.step()
    return zero.detach()
