"""A network's weights spread over a mesh: FSDP2 for all of them, tensor parallel for the decoder's layers.

Unusual: gradients are summed, not averaged, because losses are divided by totals of the global step already. Optimizers
never see a DTensor: what they do is done element by element on each rank's own piece (`Slice`), and whole matrices are
put together where one needs them (train/muon.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from lapis import config
from lapis.dist.engine import Piece, Run
from lapis.dist.exchange import sum_gradient
from lapis.dist.mesh import Mesh
from lapis.model.decoder import Decoder, Layer, RMSNorm

Value = TypeVar("Value")

TENSOR_PLAN = {
    "attention.qkv": ColwiseParallel(),
    "attention.out": RowwiseParallel(),
    "mlp.gate_up": ColwiseParallel(),
    "mlp.down": RowwiseParallel(),
}
"""Rows of the fused matrices are ordered by KV group and by block, so that any even cut keeps whole ones."""


def shard(network: nn.Module, mesh: Mesh) -> None:
    """Spread a network (`decoder.*`, and perhaps `vit.*` and `adapter.*`) over a mesh of several processes, in place.

    Layers are gathered when they run, but those of a small network (`Dist.whole_mb`) together; embedding and output
    matrix stay whole from a forward to its backward, because losses project on them. A network that is not trained is
    spread over tensor ranks like over others.
    """
    assert mesh.decoder is not None and mesh.vision is not None
    decoder = network.get_submodule("decoder")
    assert isinstance(decoder, Decoder)
    trained = any(parameter.requires_grad for parameter in network.parameters())
    if mesh.tensor is not None and trained:
        _split_layers(decoder, mesh.tensor)
    ranks, alone = mesh.decoder if trained else mesh.vision, not is_small(network, mesh.shape)
    for layer in decoder.layers if alone else ():
        _wrap(layer, ranks)
    for name in ("vit", "adapter"):
        part = dict(network.named_children()).get(name)
        for layer in getattr(part, "layers", ()) if alone else ():
            _wrap(layer, mesh.vision)
        if part is not None:
            _wrap(part, mesh.vision, keep=True)
    _wrap(network, ranks, keep=True)


def is_small(network: nn.Module, shape: config.Dist) -> bool:
    """Whether it is gathered as a whole."""
    return sum(parameter.numel() for parameter in network.parameters()) * 4 <= shape.whole_mb * 2**20


def _wrap(module: nn.Module, mesh: DeviceMesh, keep: bool = False) -> None:
    wrapped = fully_shard(module, mesh=mesh, reshard_after_forward=not keep)
    wrapped.set_gradient_divide_factor(1.0)
    # Sums by a plain reduction: gloo has no premultiplied one.
    wrapped.set_force_sum_reduction_for_comms(True)


def _split_layers(decoder: Decoder, mesh: DeviceMesh) -> None:
    """Each tensor rank takes some KV groups and MLP blocks of every layer."""
    for layer in decoder.layers:
        assert isinstance(layer, Layer)
        parallelize_module(layer, mesh, TENSOR_PLAN)
        for norm in (layer.attention.q_norm, layer.attention.k_norm):
            if isinstance(norm, RMSNorm):
                norm.forward = partial(_normed, norm, mesh.get_group())  # type: ignore[method-assign]


def _normed(norm: RMSNorm, group: dist.ProcessGroup, x: Tensor) -> Tensor:
    """A norm that every rank uses for heads of its own."""
    weight = sum_gradient(norm.weight, group).to(x.dtype)
    return F.rms_norm(x, norm.weight.shape, weight, norm.eps)


@dataclass(frozen=True)
class Slice:
    """A piece of a parameter that FSDP or tensor parallelism spreads; all of it where nothing does."""

    parameter: nn.Parameter
    mesh: Mesh

    @cached_property
    def own(self) -> nn.Parameter:
        spread = isinstance(self.parameter, DTensor)
        return nn.Parameter(local(self.parameter.detach())) if spread else self.parameter

    @property
    def shape(self) -> torch.Size:
        return self.parameter.shape

    @property
    def copies(self) -> int:
        if not isinstance(self.parameter, DTensor):
            return self.mesh.world
        spread = zip(self.parameter.device_mesh.shape, self.parameter.placements, strict=True)
        return self.mesh.world // math.prod(size for size, placement in spread if not placement.is_replicate())

    def runs(self) -> list[Run] | None:
        if not isinstance(self.parameter, DTensor) or self.parameter.device_mesh.size() < self.mesh.world:
            return None
        over, line = self.parameter.device_mesh, self.parameter.shape[1:].numel()
        spread = [way for way, placement in enumerate(self.parameter.placements) if not placement.is_replicate()]
        if [self.parameter.placements[way] for way in spread] != [Shard(0)]:
            return None
        lines, ranks = self.parameter.shape[0], over.size(spread[0])
        ends = [line * min(lines, -(-lines // ranks) * number) for number in range(ranks + 1)]
        places = [int((over.mesh == rank).nonzero()[0, spread[0]]) for rank in range(self.mesh.world)]
        return [(ends[place], ends[place + 1]) for place in places]

    def gradient(self) -> Tensor | None:
        return None if self.parameter.grad is None else local(self.parameter.grad)

    def whole(self, values: Tensor) -> Tensor:
        return _whole(self.saved(values))

    def cut(self, full: Tensor) -> Tensor:
        if not isinstance(self.parameter, DTensor):
            return full
        return _cut(full, self.parameter.device_mesh, self.parameter.placements)

    def saved(self, values: Tensor) -> Tensor:
        if not isinstance(self.parameter, DTensor):
            return values
        spread = (self.parameter.device_mesh, self.parameter.placements)
        return DTensor.from_local(values, *spread, shape=self.parameter.shape, stride=self.parameter.stride())

    def restore(self, values: Tensor, saved: Tensor) -> None:
        """What was saved shares its memory."""


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor that may be spread."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _cut(full: Tensor, mesh: DeviceMesh, placements: Sequence[Placement]) -> Tensor:
    """This process's part of a whole tensor that all processes of the mesh hold."""
    spread = DTensor.from_local(full, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return spread.redistribute(placements=placements).to_local()


def rows(full: Tensor, mesh: DeviceMesh) -> Tensor:
    """A whole tensor as one whose first dimension is spread over a mesh, with memory of its own."""
    own = _cut(full, mesh, [Shard(0)]).clone()
    return DTensor.from_local(own, mesh, [Shard(0)], shape=full.shape, stride=full.stride())


def norm(pieces: Iterable[Piece], mesh: Mesh) -> Tensor:
    """L2 norm of the gradients of all processes' pieces, each counted once; fp32 scalar."""
    found = [(one.gradient(), one.copies) for one in pieces]
    squares = [grad.float().square().sum() / many for grad, many in found if grad is not None]
    total = torch.stack(squares).sum() if squares else torch.zeros(())
    return mesh.sum(total).sqrt()


class Sharded:
    """Engine of FSDP2 and tensor parallelism, and of one process alone, where a network stays as it is."""

    def __init__(self, network: nn.Module, mesh: Mesh):
        self.network, self.mesh = network, mesh
        self.small = is_small(network, mesh.shape)
        if mesh.world > 1:
            shard(network, mesh)
        named = network.named_parameters()
        self.pieces = {name: Slice(one, mesh) for name, one in named if one.requires_grad}

    def run(self, work: Callable[[], tuple[Tensor, Value]]) -> tuple[Tensor, Value]:
        return work()

    def backward(self, loss: Tensor, last: bool) -> None:
        if isinstance(self.network, FSDPModule):
            self.network.set_requires_gradient_sync(last)
            if self.small:
                self.network.set_reshard_after_backward(last)
        loss.backward()

    def update(self, work: Callable[[], None]) -> None:
        work()

    def clear(self) -> None:
        for piece in self.pieces.values():
            piece.own.grad = piece.parameter.grad = None

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self.network.state_dict().items():
            yield name, _whole(tensor).cpu()

    def tensors(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """They are the weights themselves."""

    def close(self) -> None:
        """Nothing is held but by the network."""
