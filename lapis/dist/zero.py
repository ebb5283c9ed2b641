"""DeepSpeed's ZeRO as an engine: stage 2 partitions gradients and moments over all ranks, stage 3 the weights as well.

Unusual: DeepSpeed partitions, gathers and adds up; the optimizers are ours. Its step calls a client optimizer once with
the flat partition of this rank, and that call runs our own updates, AdamW's and Muon's, on views of the partition, a
view for each parameter. It averages gradients where we sum them, so a loss is multiplied by the number of ranks first.
Losses read the embedding outside of its own forward, so the module that DeepSpeed sees is one whose forward is all of
forward and losses. Its kernels are not used, and what it prints is not shown. The package is imported when a stage
begins: that takes seconds.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from lapis import config
from lapis.dist.engine import Run
from lapis.dist.mesh import Mesh
from lapis.dist.shard import rows
from lapis.types import InputError

Value = TypeVar("Value")

BUCKET = 50_000_000
"""Most elements of gradients that are added up at once."""
STAY = 100_000
"""Most elements of a parameter that stage 3 leaves whole on every rank between steps (DeepSpeed's own choice)."""
NEVER = 2**60
"""More steps than there are between lines that nobody reads, and more elements than a partition has."""


def refuse(recipe: config.Recipe) -> None:
    """Raises InputError, with field and value, for what this engine cannot do, and where DeepSpeed is not installed."""
    shape = recipe.dist
    for name, value, expected, fits in (
        ("nproc", shape.nproc, "2 or more", shape.nproc * shape.nodes > 1),
        ("replicate", shape.replicate, "1", shape.replicate == 1),
        ("tp", shape.tp, "1", shape.tp == 1),
    ):
        if not fits:
            raise InputError(f"dist.{name}: {value}, expected {expected} with dist.engine = deepspeed")
    for entry in recipe.stages:
        if isinstance(entry, config.Train) and not entry.lm_weight and "decoder" in entry.trains:
            told = f"stages.{entry.name}.trains: decoder, which has no gradient where lm_weight is 0"
            raise InputError(f"{told}; leave it out with dist.engine = deepspeed")
    if importlib.util.find_spec("deepspeed") is None:
        raise InputError('dist.engine: deepspeed is not installed; pip install -c constraints.txt ".[deepspeed]"')


@dataclass(frozen=True)
class Flat:
    """A run of a parameter's elements, in a partition that is flat."""

    mesh: Mesh
    shape: torch.Size
    start: int
    """Of the run, among the parameter's elements."""
    values: Tensor
    """Its weights, as a view [elements]."""
    copies: int
    read: Callable[[], Tensor | None] = lambda: None
    """Its gradient."""

    @cached_property
    def own(self) -> nn.Parameter:
        return nn.Parameter(self.values)

    def runs(self) -> list[Run] | None:
        found: list[Run] = [(0, 0)] * self.mesh.world
        dist.all_gather_object(found, (self.start, self.start + len(self.values)))
        return found

    def gradient(self) -> Tensor | None:
        return self.read()

    def whole(self, values: Tensor) -> Tensor:
        full = values.new_zeros(self.shape.numel())
        self.cut(full).copy_(values)
        return (self.mesh.sum(full) if self.copies == 1 else full).view(self.shape)

    def cut(self, full: Tensor) -> Tensor:
        return full.view(-1)[self.start : self.start + len(self.values)]

    def saved(self, values: Tensor) -> Tensor:
        assert self.mesh.vision is not None
        return rows(self.whole(values), self.mesh.vision)

    def restore(self, values: Tensor, saved: Tensor) -> None:
        assert isinstance(saved, DTensor)
        values.copy_(self.cut(saved.full_tensor()))


class _Client(torch.optim.Optimizer):
    """What DeepSpeed takes for the optimizer: its step is whatever update is wanted."""

    def __init__(self, parameters: list[nn.Parameter]):
        super().__init__(parameters, {"lr": 0.0})
        self.work: Callable[[], None] = lambda: None

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        self.work()


class _Whole(nn.Module):
    """A network with all that is computed of it: what the losses read is there as long as they run."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.found: Any = None

    def forward(self, work: Callable[[], tuple[Tensor, Any]]) -> Tensor:
        loss, self.found = work()
        return loss


class Zero:
    """Engine of DeepSpeed over all ranks of a mesh; context ranks bring gradients of their tokens like others of rows.

    Weights and moments are partitioned as flat runs of elements. Checkpoints hold them in rows of whole tensors, put
    together one tensor at a time.
    """

    def __init__(self, network: nn.Module, mesh: Mesh):
        self.network, self.mesh, self.stage = network, mesh, mesh.shape.zero
        named = dict(network.named_parameters())
        trained = [parameter for parameter in named.values() if parameter.requires_grad]
        self.client, self.module = _Client(trained), _Whole(network)
        self.package = _package(trained[0].device)
        self.ds = self.package.initialize(
            model=self.module, optimizer=self.client, config=_settings(self.stage), dist_init_required=False
        )[0]
        piece = self._run2 if self.stage == 2 else self._run3
        self.held = {name: piece(parameter) for name, parameter in named.items()}
        self.pieces = {name: one for name, one in self.held.items() if named[name].requires_grad}

    def _run2(self, parameter: nn.Parameter) -> Flat:
        if not parameter.requires_grad:
            return Flat(self.mesh, parameter.shape, 0, parameter.data.view(-1), self.mesh.world)
        found = cast(Any, parameter)
        lies = found._hp_mapping
        if lies is None:
            return Flat(self.mesh, parameter.shape, 0, parameter.data.new_empty(0), 1, lambda: parameter.new_empty(0))

        def read() -> Tensor | None:
            if not lies.gradient_dict.get(lies.param_group_index):
                return None
            return lies.get_lp_grad_fragment(found._index_in_param_group).view(-1)

        return Flat(self.mesh, parameter.shape, lies.lp_fragment_address.start, lies.hp_fragment.detach(), 1, read)

    def _run3(self, parameter: nn.Parameter) -> Flat:
        found, utils = cast(Any, parameter), self.package.utils
        size = found.partition_numel()
        start = min(size * self.mesh.rank, found.ds_numel)
        count = min(size, found.ds_numel - start)
        if not parameter.requires_grad:
            return Flat(self.mesh, found.ds_shape, start, found.ds_tensor.data[:count], 1)
        values = utils.safe_get_local_fp32_param(parameter).detach()[:count]
        return Flat(self.mesh, found.ds_shape, start, values, 1, lambda: utils.safe_get_local_grad(parameter)[:count])

    def run(self, work: Callable[[], tuple[Tensor, Value]]) -> tuple[Tensor, Value]:
        loss = self.ds(work)
        found, self.module.found = self.module.found, None
        return loss, found

    def backward(self, loss: Tensor, last: bool) -> None:
        self.ds.set_gradient_accumulation_boundary(last)
        self.ds.backward(loss * self.mesh.world)

    def update(self, work: Callable[[], None]) -> None:
        self.client.work = work
        self.ds.step()

    def clear(self) -> None:
        for piece in self.pieces.values():
            piece.own.grad = None
        self.ds.optimizer.zero_grad()

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        for name, piece in self.held.items():
            yield name, piece.whole(piece.values).cpu()

    def tensors(self) -> dict[str, Tensor]:
        return {name: piece.saved(piece.values) for name, piece in self.held.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        for name, piece in self.held.items():
            piece.restore(piece.values, tensors[name])
        optimizer = self.ds.optimizer
        if self.stage == 2:
            optimizer.update_lp_params()
            return
        optimizer._partition_all_parameters()
        for group in range(len(optimizer.fp16_groups)):
            optimizer._reassign_or_swap_out_partitioned_parameters(group)
        optimizer._post_step(set())

    def close(self) -> None:
        self.ds.destroy()
        self.package.runtime.zero.parameter_offload.FWD_MODULE_STACK.clear()


def _settings(stage: int) -> dict[str, Any]:
    partition = {
        "stage": stage,
        "overlap_comm": False,
        "reduce_bucket_size": BUCKET,
        "sub_group_size": NEVER,
        "stage3_param_persistence_threshold": STAY,
        "memory_efficient_linear": False,
    }
    return {
        "train_micro_batch_size_per_gpu": 1,
        "steps_per_print": NEVER,
        "zero_allow_untested_optimizer": True,
        "zero_optimization": partition,
    }


def _package(device: torch.device) -> ModuleType:
    """DeepSpeed for a device, without its kernels, which it would compile, and without its lines on stdout."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import deepspeed
        from deepspeed.accelerator import set_accelerator
        from deepspeed.accelerator.cpu_accelerator import CPU_Accelerator

    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    deepspeed.ops.__compatible_ops__ = {}
    if device.type == "cpu":
        set_accelerator(CPU_Accelerator())
    spoken = logging.getLogger("DeepSpeed")
    spoken.handlers.clear()
    spoken.propagate = True
    spoken.setLevel(logging.ERROR)
    return deepspeed
