"""A network's weights spread over a mesh: FSDP2 for all of them, tensor parallel for the decoder's layers.

Unusual: gradients are summed, not averaged, because losses are divided by totals of the global step already. Optimizers
never see a DTensor: what they do is done element by element on each rank's own piece (`own`), and whole matrices are
put together where one needs them (train/optim.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from lapis.dist.exchange import sum_gradient
from lapis.dist.mesh import Mesh
from lapis.model.decoder import Decoder, Layer, RMSNorm

TENSOR_PLAN = {
    "attention.qkv": ColwiseParallel(),
    "attention.out": RowwiseParallel(),
    "mlp.gate_up": ColwiseParallel(),
    "mlp.down": RowwiseParallel(),
}
"""Rows of the fused matrices are ordered by KV group and by block, so that any even cut keeps whole ones."""


def shard(network: nn.Module, mesh: Mesh) -> None:
    """Spread a network (`decoder.*`, and perhaps `vit.*` and `adapter.*`) over a mesh of several processes, in place.

    Layers are gathered when they run; embedding and output matrix stay whole from a forward to its backward, because
    losses project on them. A network that is not trained is spread over tensor ranks like over others.
    """
    assert mesh.decoder is not None and mesh.vision is not None
    decoder = network.get_submodule("decoder")
    assert isinstance(decoder, Decoder)
    trained = any(parameter.requires_grad for parameter in network.parameters())
    if mesh.tensor is not None and trained:
        _split_layers(decoder, mesh.tensor)
    ranks = mesh.decoder if trained else mesh.vision
    for layer in decoder.layers:
        _wrap(layer, ranks)
    for name in ("vit", "adapter"):
        part = dict(network.named_children()).get(name)
        for layer in getattr(part, "layers", ()):
            _wrap(layer, mesh.vision)
        if part is not None:
            _wrap(part, mesh.vision, keep=True)
    _wrap(network, ranks, keep=True)


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


def is_spread(tensor: Tensor) -> bool:
    """Whether this process holds a piece of it only."""
    return isinstance(tensor, DTensor)


def own(tensor: Tensor) -> Tensor:
    """This process's piece of a tensor, as a view; the tensor itself where it is whole."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def like(parameter: Tensor, piece: Tensor) -> Tensor:
    """A piece of this process as part of a tensor that is spread as the parameter is."""
    if not isinstance(parameter, DTensor):
        return piece
    spread = (parameter.device_mesh, parameter.placements)
    return DTensor.from_local(piece, *spread, shape=parameter.shape, stride=parameter.stride())


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on every process."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut(parameter: Tensor, full: Tensor) -> Tensor:
    """This process's piece of a whole tensor that all processes of the parameter's mesh hold."""
    if not isinstance(parameter, DTensor):
        return full
    mesh = parameter.device_mesh
    spread = DTensor.from_local(full, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return spread.redistribute(placements=parameter.placements).to_local()


def norm(parameters: Iterable[nn.Parameter], mesh: Mesh) -> Tensor:
    """L2 norm of the gradients of all processes' pieces, each counted once; fp32 scalar."""
    found = [(one.grad, copies(one, mesh)) for one in parameters if one.grad is not None]
    squares = [own(grad).float().square().sum() / many for grad, many in found]
    total = torch.stack(squares).sum() if squares else torch.zeros(())
    return mesh.sum(total).sqrt()


def copies(parameter: nn.Parameter, mesh: Mesh) -> int:
    """How many processes hold this process's piece."""
    if not isinstance(parameter, DTensor):
        return mesh.world
    spread = zip(parameter.device_mesh.shape, parameter.placements, strict=True)
    return mesh.world // math.prod(size for size, placement in spread if not placement.is_replicate())


def sync_gradients(network: nn.Module, wanted: bool) -> None:
    """Whether the next backward adds up the ranks' gradients, or leaves that to a later one."""
    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(wanted)


def full_state(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Whole tensors by name, one at a time; every process must take all of them."""
    for name, tensor in network.state_dict().items():
        yield name, whole(tensor).cpu()
