"""Muon over several processes: momentum by piece, each whole matrix orthogonalised by one of them, its owner.

Unusual: a step is two exchanges, whatever the number of matrices: every process sends its pieces of all updates to
their owners, and the owners send back what each process holds of the results. Pieces travel in bf16, which is what the
orthogonalisation makes of them first, so nothing is lost. It is `torch.optim.Muon`'s own, run without momentum and
decay on a matrix of zeros, so that what comes out is the update alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lapis.dist.engine import Piece, Run
from lapis.dist.mesh import Mesh

MOMENTUM = 0.95
"""Of Muon (its author's)."""


def deal(shapes: Sequence[torch.Size], count: int) -> list[list[int]]:
    """The matrices that each of `count` workers takes, so that all have about equal work: Newton and Schulz's products
    take the short side squared times the long side."""
    costs = [shape.numel() * min(shape) for shape in shapes]
    taken: list[list[int]] = [[] for _ in range(count)]
    load = [0] * count
    for number in sorted(range(len(shapes)), key=lambda number: -costs[number]):
        least = load.index(min(load))
        taken[least].append(number)
        load[least] += costs[number]
    return taken


class SpreadMuon(torch.optim.Optimizer):
    """`torch.optim.Muon` (rates matched to AdamW's) of matrices that are spread over all processes of a mesh.

    `groups` hold what is `own` of the pieces. A matrix that some process holds nothing or several runs of (tensor
    parallelism may cut it by columns) is gathered, and orthogonalised by every process.
    """

    def __init__(self, groups: list[dict[str, Any]], pieces: Iterable[Piece], mesh: Mesh):
        super().__init__(groups, {})
        self.pieces = {piece.own: piece for piece in pieces}
        for own in self.pieces:
            self.state[own] = {"momentum_buffer": torch.zeros_like(own)}
        every = [(own, group) for group in self.param_groups for own in group["params"]]
        runs = [self.pieces[own].runs() for own, _ in every]
        self.joined = [matrix for matrix, found in zip(every, runs, strict=True) if found]
        self.cut = [matrix for matrix, found in zip(every, runs, strict=True) if not found]
        kept = [*zip(*filter(None, runs), strict=True)] or [()] * mesh.world
        shapes = [self.pieces[own].shape for own, _ in self.joined]
        self.parcels = Parcels(shapes, kept, mesh.rank, every[0][0].device)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        whole = self.parcels.collect([self._update(own) for own, _ in self.joined])
        done = {at: _orthogonal(update.float(), self.joined[at][1]["lr"]) for at, update in whole.items()}
        for (own, group), update in zip(self.joined, self.parcels.spread(done), strict=True):
            _add(own, update.view_as(own), group)
        for own, group in self.cut:
            piece = self.pieces[own]
            _add(own, piece.cut(_orthogonal(piece.whole(self._update(own)), group["lr"])), group)

    def _update(self, own: nn.Parameter) -> Tensor:
        """Nesterov's update of a piece."""
        assert own.grad is not None
        momentum = self.state[own]["momentum_buffer"]
        momentum.lerp_(own.grad, 1 - MOMENTUM)
        return own.grad.lerp(momentum, MOMENTUM)


class Parcels:
    """What processes send to the owners of matrices, and what the owners send back."""

    def __init__(self, shapes: Sequence[torch.Size], runs: Sequence[Sequence[Run]], rank: int, device: torch.device):
        self.shapes, self.runs, self.rank, self.nothing = shapes, runs, rank, torch.zeros(0, device=device)
        self.owned = deal(shapes, len(runs))
        """Matrices by owner, as they lie in a parcel."""

    def collect(self, pieces: Sequence[Tensor]) -> dict[int, Tensor]:
        """The matrices, bf16, that this process owns, of everybody's pieces."""
        mine = self.owned[self.rank]
        sizes = [[_length(runs[at]) for at in mine] for runs in self.runs]
        found = _swap([self._joined(pieces[at] for at in owned).bfloat16() for owned in self.owned], [*map(sum, sizes)])
        flat = {at: found.new_empty(self.shapes[at].numel()) for at in mine}
        places = [flat[at][slice(*runs[at])] for runs in self.runs for at in mine]
        for place, part in zip(places, found.split([*chain(*sizes)]), strict=True):
            place.copy_(part)
        return {at: whole.view(self.shapes[at]) for at, whole in flat.items()}

    def spread(self, whole: dict[int, Tensor]) -> list[Tensor]:
        """This process's piece of each matrix, fp32 [elements], of what the owners hold whole."""
        mine, held = self.owned[self.rank], self.runs[self.rank]
        sent = [self._joined(whole[at].view(-1)[slice(*runs[at])] for at in mine) for runs in self.runs]
        sizes = [[_length(held[at]) for at in owned] for owned in self.owned]
        parts = _swap(sent, [*map(sum, sizes)]).split([*chain(*sizes)])
        by_matrix = dict(zip(chain(*self.owned), parts, strict=True))
        return [by_matrix[at] for at in range(len(self.shapes))]

    def _joined(self, parts: Iterable[Tensor]) -> Tensor:
        return torch.cat([self.nothing, *(part.reshape(-1) for part in parts)])


def _length(run: Run) -> int:
    return run[1] - run[0]


def _swap(parcels: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """Parcel n goes to process n; returns what came from each, behind each other, of so many elements."""
    found = parcels[0].new_empty(sum(sizes))
    dist.all_to_all_single(found, torch.cat([*parcels]), [*sizes], [len(parcel) for parcel in parcels])
    return found


def _orthogonal(update: Tensor, rate: float) -> Tensor:
    """What Muon adds to a matrix for a finished update."""
    zero = nn.Parameter(torch.zeros_like(update))
    zero.grad = update
    with torch.enable_grad():
        muon = torch.optim.Muon([zero], rate, 0.0, 0.0, nesterov=False, adjust_lr_fn="match_rms_adamw")
        muon.step()
    return zero.detach()


def _add(own: nn.Parameter, update: Tensor, group: dict[str, Any]) -> None:
    own.mul_(1 - group["lr"] * group["weight_decay"])
    own.add_(update)
