"""What a step does, as torch's dispatcher sees it: FLOPs and bytes of every call, every collective, and memory held.

Unusual: the same eyes watch a real step and one without numbers (fake.py), so that the second is checked by the first.
Causal attention counts the pairs that are seen, as data/deal.py does, since kernels skip what is hidden; what a mask
hides they do not skip. Torch has no formula for the CPU's.

Shape legend: B rows, H heads, L queries, M keys, D head dimension.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.distributed_c10d import GroupName, _resolve_process_group
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

ATEN, DEVICE = torch.ops.aten, torch.ops.prim.device.default
NAMES = {
    "_allgather_base_": "all-gather",
    "all_gather_into_tensor": "all-gather",
    "_reduce_scatter_base_": "reduce-scatter",
    "reduce_scatter_tensor": "reduce-scatter",
    "allreduce_": "all-reduce",
    "all_reduce": "all-reduce",
    "alltoall_base_": "all-to-all",
    "broadcast_": "broadcast",
}
"""Collectives by torch's names of them; others keep theirs."""
SILENT = {"wait_tensor", "_wrap_tensor_autograd"}
"""What stands beside them and sends nothing."""
ASKERS = {
    "torch.distributed.fsdp": "weights",
    "lapis.train.muon": "Muon",
    "lapis.dist.exchange": "rows",
    "lapis.dist.mesh": "sums",
    "torch.distributed.tensor": "heads",
}
"""What a collective is for, by the first of these modules on the stack. Groups do not tell: several may be one."""
FREE = {ATEN._unsafe_view, ATEN.empty, ATEN.empty_like, ATEN.empty_strided, ATEN.new_empty, ATEN.new_empty_strided}
"""Calls that touch no memory, besides views."""
PICKED = {ATEN.embedding, ATEN.index, ATEN.index_select, ATEN.gather}
"""Calls that read no more than they give."""
INNER = (DTensor, AsyncCollectiveTensor)
"""Tensors around others; what they do is counted where it reaches those."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call that computes."""

    name: str
    flops: int
    moved: int
    """Bytes read and written."""


@dataclass(frozen=True, slots=True)
class Message:
    """One collective."""

    name: str
    purpose: str
    ranks: tuple[int, ...]
    size: int
    """Bytes of the whole: what is gathered, scattered, added up or exchanged."""


Event = Work | Message


def seen(query_BHLD: Sequence[int], keys: int, causal: bool) -> int:
    """Multiplications of one product of attention over all pairs that are seen, the last of L at the last of M."""
    *outer, length, dim = query_BHLD
    return math.prod(outer) * (length * keys - causal * (length * (length - 1) // 2)) * dim


def _forward(q: Tensor, k: Tensor, v: Tensor, drop: float = 0.0, causal: bool = False, **named: Any) -> int:
    return 4 * seen(q.shape, k.shape[-2], causal)


def _backward(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *rest: Any, **named: Any) -> int:
    """Five products instead of two, since scores are worked out again."""
    return 10 * seen(q.shape, k.shape[-2], rest[3])


ATTENTION: dict[Any, Callable[..., int]] = {
    ATEN._scaled_dot_product_flash_attention_for_cpu: _forward,
    ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _backward,
}


@dataclass(slots=True)
class Memory:
    """Bytes of live tensors, by their storages."""

    live: dict[int, tuple[Any, int]] = field(default_factory=dict)
    held: int = 0
    peak: int = 0

    def see(self, storage: torch.UntypedStorage) -> None:
        """Count a storage, at its present size, until it is gone."""
        key, size = storage._cdata, storage.nbytes()
        known, before = self.live.get(key, (None, 0))
        self.live[key] = known or weakref.ref(storage, lambda _: self._gone(key)), size
        self.held += size - before
        self.peak = max(self.peak, self.held)

    def _gone(self, key: int) -> None:
        self.held -= self.live.pop(key)[1]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Also see storages that are emptied and filled again under tensors that live on, as FSDP does."""
        plain = torch.UntypedStorage.resize_

        def resize(storage: torch.UntypedStorage, size: int) -> Any:
            found = plain(storage, size)
            if storage._cdata in self.live:
                self.see(storage)
            return found

        with mock.patch.object(torch.UntypedStorage, "resize_", resize):
            yield


class Count(TorchDispatchMode):
    """Everything that happens while it is on, in order."""

    def __init__(self, memory: Memory | None = None):
        super().__init__()
        self.memory = memory
        self.events: list[Event] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (device := device_of(func, args)) is not None:
            return device
        kwargs = kwargs or {}
        if any(issubclass(kind, INNER) for kind in types):
            return NotImplemented
        out = func(*args, **kwargs)
        if func.namespace == "prim":
            return out
        tensors = [*tensors_in(out)]
        if func.namespace in ("c10d", "_c10d_functional"):
            self._heard(func, args, kwargs, tensors)
        elif func.namespace == "aten" and not _is_view(func):
            self.events.append(_work(func, args, kwargs, out, tensors))
        if self.memory is not None:
            for tensor in tensors:
                self.memory.see(tensor.untyped_storage())
        return out

    def _heard(self, func: Any, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
        name = func._overloadpacket.__name__
        if name in SILENT:
            return
        size = max(map(_size, (*tensors_in((args, kwargs)), *tensors)))
        ranks = tuple(dist.get_process_group_ranks(_group(tree_leaves((args, kwargs)))))
        self.events.append(Message(NAMES.get(name, name), _purpose(), ranks, size))


def device_of(func: Any, args: Any) -> torch.device | None:
    """The answer to what most calls ask: where a fake tensor is. Each mode that passed them on cost as much again."""
    return args[0].device if func is DEVICE and isinstance(args[0], FakeTensor) else None


def tensors_in(tree: Any) -> Iterator[Tensor]:
    """Tensors among a call's arguments or results."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, list | tuple):
        for one in tree:
            yield from tensors_in(one)
    elif isinstance(tree, dict):
        yield from tensors_in([*tree.values()])


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _group(leaves: Sequence[Any]) -> dist.ProcessGroup:
    """The group among the arguments of a collective: a boxed object, or a name."""
    boxed = [one for one in leaves if isinstance(one, torch.ScriptObject)]
    for one in boxed:
        try:
            return dist.ProcessGroup.unbox(one)
        except (RuntimeError, TypeError):
            continue
    return _resolve_process_group(GroupName(next(one for one in reversed(leaves) if isinstance(one, str))))


def _purpose() -> str:
    """What the present collective is for."""
    frame, modules = sys._getframe(1), set[str]()
    while frame.f_back is not None:
        modules.add(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return next((text for name, text in ASKERS.items() if any(one.startswith(name) for one in modules)), "others")


@cache
def _is_view(func: Any) -> bool:
    returns = func._schema.returns
    return any(one.alias_info is not None and not one.alias_info.is_write for one in returns)


def _work(func: Any, args: Any, kwargs: Any, out: Any, tensors: list[Tensor]) -> Work:
    packet, name = func._overloadpacket, func._overloadpacket.__name__
    if packet in FREE:
        return Work(name, 0, 0)
    given = sum(map(_size, tensors))
    if packet in PICKED:
        return Work(name, 0, 2 * given)
    # What is changed in place is read and written; where it is given back as well, it was counted as given.
    changed = [args[place] for place in _changed(func) if place < len(args)] if not tensors else []
    moved = given + sum(map(_size, tensors_in(changed))) + sum(map(_size, tensors_in((args, kwargs))))
    return Work(name, _flops(packet, args, kwargs, out), moved)


@cache
def _changed(func: Any) -> tuple[int, ...]:
    """Places of the arguments that a call writes to."""
    infos = [argument.alias_info for argument in func._schema.arguments]
    return tuple(place for place, info in enumerate(infos) if info is not None and info.is_write)


def _flops(packet: Any, args: Any, kwargs: Any, out: Any) -> int:
    if packet in ATTENTION:
        return ATTENTION[packet](*args, **kwargs)
    formula = flop_registry.get(packet)
    return int(formula(*args, **kwargs, out_val=out)) if formula else 0
