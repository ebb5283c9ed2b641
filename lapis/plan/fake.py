"""One rank of a job of any size, run here without its numbers: torch's fake tensors under torch's fake processes.

Unusual: what tokens, documents and labels are is small, and decides what is computed, so it stays real; weights, states
and gradients have shapes and no values. A number that is asked of them (a loss, a norm) is one. Attention and norms
take the form of a GPU's kernels where the machine is one: no mask and no normed copy in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from lapis.plan.count import INNER, device_of, tensors_in

ATEN = torch.ops.aten
LARGEST = 2**20
"""Values that a tensor made from nothing may have and still be real."""


@contextmanager
def processes(world: int, rank: int = 0) -> Iterator[None]:
    """The process group of one rank among `world` that are not there: nothing is sent."""
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world)
    try:
        yield
    finally:
        dist.destroy_process_group()


class Apart(TorchDispatchMode):
    """Keeps real what is made of real tensors alone; its place is above a FakeTensorMode."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (device := device_of(func, args)) is not None:
            return device
        kwargs = kwargs or {}
        if any(issubclass(kind, INNER) for kind in types):
            return NotImplemented
        if func.namespace == "prim" and isinstance(args[0], FakeTensor):
            return func(*args, **kwargs)
        tensors = [*tensors_in((args, kwargs))]
        if not tensors:
            made = func(*args, **kwargs)
            return made if isinstance(made, FakeTensor) and _is_state(func, made) else _really(func, args, kwargs)
        if not any(isinstance(one, FakeTensor) for one in tensors):
            return _really(func, args, kwargs)
        if func in (ATEN.item.default, ATEN._local_scalar_dense.default):
            return 1.0 if args[0].is_floating_point() else 1
        if func is ATEN.bincount.default:
            return args[1].new_empty(len(_really(func, (args[0], None, *args[2:]), kwargs)))
        if func in (ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default):
            args = (args[0], _numbered(args[1]), *args[2:])
        return func(*args, **kwargs)


def _is_state(func: Any, made: Tensor) -> bool:
    """Whether a tensor made from nothing is no layout: one that is large, or a buffer that waits for numbers."""
    return made.numel() > LARGEST or (made.is_floating_point() and func is ATEN.empty.memory_format)


def _really(func: Any, args: Any, kwargs: Any) -> Any:
    with unset_fake_temporarily():
        return func(*args, **kwargs)


def _numbered(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Indices without masks: a mask says how much is taken, and is known here."""
    found = list[Tensor | None]()
    with unset_fake_temporarily():
        for one in indices:
            found += one.nonzero().unbind(1) if one is not None and one.dtype is torch.bool else [one]
    return found


class Fused(TorchFunctionMode):
    """Attention and norms as a GPU's kernels do them, which hold neither a mask nor a normed copy."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and kwargs.get("attn_mask") is not None:
            kwargs = {**kwargs, "attn_mask": None, "is_causal": True}
        if func is F.rms_norm:
            return _Normed.apply(args[0], kwargs.get("weight"))
        return func(*args, **kwargs)


class _Normed(torch.autograd.Function):
    """What a fused norm reads, writes and keeps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight, x.new_empty(x.shape[:-1]))
        return x.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor | None]:
        x, weight, _ = ctx.saved_tensors
        return upstream + x, None if weight is None else torch.zeros_like(weight)


class Cut(TorchFunctionMode):
    """FSDP cuts each weight into a piece for every rank and takes one: here the first piece stands for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.none: dict[torch.dtype, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.chunk:
            whole, many, at = args[0], args[1], kwargs.get("dim", 0)
            size = -(-whole.shape[at] // many)
            return [whole.narrow(at, 0, size)] * -(-whole.shape[at] // size)
        if func is Tensor.new_empty and args[1:] == (0,):
            if args[0].dtype not in self.none:
                self.none[args[0].dtype] = func(*args, **kwargs)
            return self.none[args[0].dtype]
        return func(*args, **kwargs)


@contextmanager
def nowhere(fused: bool) -> Iterator[None]:
    """Nothing that is computed in here has values, but for small tensors that are made of real ones alone."""
    with FakeTensorMode(allow_non_fake_inputs=True), Apart(), Fused() if fused else nullcontext():
        yield
