"""The processes of a job as a mesh, data parallel x context parallel x tensor parallel, and sums over them.

Unusual: ViT and adapter see another mesh than the decoder. Tiles are dealt to all ranks that share a row of tokens
(context.py), so for the vision parts context and tensor ranks are data-parallel ranks too. One process is a mesh of
one, in which every sum is its own term, so that nothing after this file asks whether there are others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from lapis import config
from lapis.model.decoder import blocks
from lapis.types import InputError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Mesh:
    """Where this process stands among all."""

    shape: config.Dist
    rank: int = 0
    world: int = 1
    decoder: DeviceMesh | None = None
    """Over which the decoder's weights are sharded: (copies,) data x context; one of these for each tensor rank."""
    vision: DeviceMesh | None = None
    """The same of ViT and adapter, over all ranks."""
    tensor: DeviceMesh | None = None
    context: dist.ProcessGroup | None = None
    """The ranks that share a row's tokens."""
    row: dist.ProcessGroup | None = None
    """The ranks that share a row's tiles: context x tensor."""
    every: dist.ProcessGroup | None = None
    """All ranks; None for the default group."""

    def aside(self) -> Mesh:
        """The same with a group of its own for what is said by another thread meanwhile."""
        return self if self.world == 1 else replace(self, every=dist.new_group(backend="gloo"))

    @property
    def rows(self) -> int:
        """How many ways the rows of a step are split."""
        return self.world // (self.shape.cp * self.shape.tp)

    @property
    def row_rank(self) -> int:
        """Which rows are this process's."""
        return self.rank // (self.shape.cp * self.shape.tp)

    @property
    def context_rank(self) -> int:
        return self.rank // self.shape.tp % self.shape.cp

    @property
    def tensor_rank(self) -> int:
        return self.rank % self.shape.tp

    @property
    def first(self) -> bool:
        """Whether this process writes what one alone must write."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Values of all processes added up, in place."""
        if self.world > 1:
            dist.all_reduce(values, group=self.every)
        return values

    def largest(self, value: int) -> int:
        """The largest of all processes' values."""
        if self.world == 1:
            return value
        found = torch.tensor(value)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.every)
        return int(found)

    def any(self, wanted: bool) -> bool:
        """Whether any process wants it."""
        return wanted if self.world == 1 else bool(self.sum(torch.tensor(int(wanted))))

    def once(self, work: Callable[[], Value]) -> Value:
        """What the first process's work returns, on every process; its InputError is everybody's."""
        if self.world == 1:
            return work()
        told: list[Any] = [None, None]
        if self.first:
            try:
                told[0] = work()
            except InputError as error:
                told[1] = str(error)
        dist.broadcast_object_list(told, group=self.every)
        if told[1] is not None:
            raise InputError(told[1])
        return told[0]


def alone() -> Mesh:
    """A mesh of one process."""
    return Mesh(config.Dist())


def build(shape: config.Dist, device: torch.device) -> Mesh:
    """The mesh of the default process group, whose size must be a multiple of replicate x cp x tp (`fits`)."""
    rank, world = dist.get_rank(), dist.get_world_size()
    if world == 1:
        return alone()
    share = shape.cp * shape.tp
    rows = world // share
    sharded = _mesh(device, (shape.replicate, rows // shape.replicate * shape.cp, shape.tp), ("copy", "shard", "tp"))
    spread = _mesh(device, (shape.replicate, world // shape.replicate), ("copy", "shard"))
    shared = _mesh(device, (rows, shape.cp, shape.tp), ("rows", "cp", "tp"))
    names = ("copy", "shard") if shape.replicate > 1 else ("shard",)
    return Mesh(
        shape,
        rank,
        world,
        decoder=sharded[names],
        vision=spread[names],
        tensor=sharded["tp"] if shape.tp > 1 else None,
        context=shared["cp"].get_group(),
        row=_mesh(device, (rows, share), ("rows", "row"))["row"].get_group(),
    )


def _mesh(device: torch.device, sizes: tuple[int, ...], names: tuple[str, ...]) -> DeviceMesh:
    return init_device_mesh(device.type, sizes, mesh_dim_names=names)


def shaped(shape: config.Dist, pack: config.Pack, processes: int) -> config.Dist:
    """The mesh of a stage: where its rows are too few for the row ranks, ranks share a row's tokens instead."""
    ranks = processes // (shape.cp * shape.tp)
    return replace(shape, cp=shape.cp * (ranks // math.gcd(ranks, pack.rows))) if ranks else shape


def suits(recipe: config.Recipe, entry: config.Train, processes: int) -> config.Dist:
    """The mesh of a stage over so many processes. Raises InputError where it does not divide what it splits."""
    shape = shaped(recipe.dist, entry.pack, processes)
    fits(shape, recipe.teacher if entry.shape == "teacher" else recipe.model.decoder, entry.pack, processes)
    return shape


def fits(shape: config.Dist, decoder: config.Decoder, pack: config.Pack, processes: int) -> None:
    """Raises InputError, with both numbers, where a stage's mesh does not divide what it splits."""
    share, heads = shape.cp * shape.tp, decoder.kv_heads // shape.tp
    checks = (
        ("nproc", processes, shape.replicate * share, "processes, expected a multiple of replicate x cp x tp ="),
        ("tp", decoder.kv_heads, shape.tp, "KV heads, expected a multiple of tp ="),
        ("tp", blocks(decoder.mlp), shape.tp, "blocks of MLP channels, expected a multiple of tp ="),
        ("cp", pack.row_tokens, 2 * shape.cp, "tokens of a row, expected a multiple of 2 x cp ="),
        ("cp", heads, shape.cp if shape.context == "ulysses" else 1, "KV heads of a rank, expected a multiple of cp ="),
    )
    for name, have, divisor, text in checks:
        if have % divisor:
            raise InputError(f"dist.{name}: {have} {text} {divisor}")
