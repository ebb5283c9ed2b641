"""Muon over several processes: momentum by piece, each whole matrix orthogonalised by one of them.

Unusual: the orthogonalisation is `torch.optim.Muon`'s own, run without momentum and decay on a matrix of zeros, so that
what comes out is the update alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lapis.dist.engine import Piece
from lapis.dist.mesh import Mesh

MOMENTUM = 0.95
"""Of Muon (its author's)."""


class SpreadMuon(torch.optim.Optimizer):
    """`torch.optim.Muon` (rates matched to AdamW's) of matrices that are spread over all processes of a mesh.

    `groups` hold what is `own` of the pieces. Matrices go to owners in rounds of one each, large ones first, so that a
    round's owners work side by side.
    """

    def __init__(self, groups: list[dict[str, Any]], pieces: Iterable[Piece], mesh: Mesh):
        super().__init__(groups, {})
        self.pieces, self.mesh = {piece.own: piece for piece in pieces}, mesh
        for own in self.pieces:
            self.state[own] = {"momentum_buffer": torch.zeros_like(own)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for members in self._rounds():
            updates = [self.pieces[own].whole(self._update(own)) for own, _ in members]
            if self.mesh.rank < len(members):
                mine = updates[self.mesh.rank]
                mine.copy_(_orthogonal(mine, members[self.mesh.rank][1]["lr"]))
            for owner, ((own, group), update) in enumerate(zip(members, updates, strict=True)):
                dist.broadcast(update, owner)
                own.mul_(1 - group["lr"] * group["weight_decay"])
                own.add_(self.pieces[own].cut(update))

    def _rounds(self) -> Iterator[list[tuple[nn.Parameter, dict[str, Any]]]]:
        every = [(own, group) for group in self.param_groups for own in group["params"]]
        every.sort(key=lambda pair: -self._work(pair[0]))
        for first in range(0, len(every), self.mesh.world):
            yield every[first : first + self.mesh.world]

    def _work(self, own: nn.Parameter) -> int:
        shape = self.pieces[own].shape
        return shape.numel() * min(shape)

    def _update(self, own: nn.Parameter) -> Tensor:
        """Nesterov's update of a piece."""
        assert own.grad is not None
        momentum = self.state[own]["momentum_buffer"]
        momentum.lerp_(own.grad, 1 - MOMENTUM)
        return own.grad.lerp(momentum, MOMENTUM)


def _orthogonal(update: Tensor, rate: float) -> Tensor:
    """What Muon adds to a matrix for a finished update."""
    zero = nn.Parameter(torch.zeros_like(update))
    zero.grad = update
    with torch.enable_grad():
        muon = torch.optim.Muon([zero], rate, 0.0, 0.0, nesterov=False, adjust_lr_fn="match_rms_adamw")
        muon.step()
    return zero.detach()
