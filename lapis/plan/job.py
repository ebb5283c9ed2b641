"""A stage as one of its ranks sees it: the trainer's own step on a typical batch, under processes that are not there.

Unusual: micro-batches of a step are alike, so a step of one and a step of two are run, and what a longer one does
follows from their difference.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass, replace

import torch

from lapis import config
from lapis.data.deal import Cost, cost_of, cost_of_text
from lapis.dist import mesh as meshes
from lapis.dist import shard
from lapis.dist.context import slices
from lapis.dist.guard import Place
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.plan import batch as batches
from lapis.plan import fake
from lapis.plan.batch import Filling
from lapis.plan.count import Count, Event, Memory
from lapis.train import micro, monitor, step
from lapis.types import InputError

Shape = config.Model | config.Decoder
PLACE = Place(torch.device("cpu"), torch.bfloat16)
STEP = 1
"""One that is not watched (train/monitor.py)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A stage on so many processes."""

    stage: config.Train
    network: Shape
    teacher: config.Decoder | None
    mesh: config.Dist
    world: int

    @property
    def rows(self) -> int:
        """Row ranks: ways in which the rows of a step are split."""
        return self.world // (self.mesh.cp * self.mesh.tp)

    @property
    def own(self) -> int:
        """Rows of a rank."""
        return self.stage.pack.rows // self.rows

    @property
    def micro(self) -> int:
        """Rows of a micro-batch."""
        return min(self.own, max(1, micro.MICRO_TOKENS // self.stage.pack.row_tokens))

    @property
    def together(self) -> int:
        """Row ranks over which one copy of the weights is spread."""
        return max(1, self.rows // self.mesh.replicate)

    @property
    def filling(self) -> Filling:
        return batches.filling(self.stage, self.network)

    @property
    def rank(self) -> int:
        """Of those that share the first rows, the one whose tokens see most."""
        seen_T = torch.cat([torch.arange(one) for one in self.filling.lengths])
        sums = [sum(int(seen_T[part].sum()) for part in pair) for pair in slices(len(seen_T), self.mesh.cp)]
        return sums.index(max(sums)) * self.mesh.tp

    @property
    def cost(self) -> Cost:
        shape = self.network
        return cost_of(shape) if isinstance(shape, config.Model) else cost_of_text(shape)

    @property
    def waits(self) -> float:
        """How much longer a step takes since rows cost unevenly, as a share."""
        return batches.imbalance(self.stage, self.filling, self.cost, self.rows, self.together, self.micro)


@dataclass(frozen=True, slots=True)
class Trace:
    """What one rank does in a step."""

    events: dict[Event, int]
    """How often each."""
    weights: int
    """Bytes of its pieces, fp32."""
    moments: int
    """Bytes of what the optimizer remembers."""
    peak: int
    """Most bytes held at once, with both."""
    flops: int
    """Of the model's shape in a step, over all ranks."""
    micros: int
    """Micro-batches of a step."""


def network_of(stage: config.Train, recipe: config.Recipe) -> Shape:
    """What a stage trains, from its parents."""
    if stage.parent is None:
        made: dict[str, Shape] = {"teacher": recipe.teacher, "student": recipe.model.decoder, "full": recipe.model}
        return made[stage.shape]
    parent = next(one for one in recipe.stages if one.name == stage.parent)
    if isinstance(parent, config.Join):
        return recipe.model
    return network_of(parent, recipe) if isinstance(parent, config.Train) else recipe.model.decoder


def job(stage: config.Train, recipe: config.Recipe, world: int, node: int, copies: bool) -> Job:
    """A stage on `world` processes; with `copies` every node holds the weights once, where nodes divide the job.

    Raises InputError where the mesh does not divide what it splits.
    """
    shape = meshes.shaped(recipe.dist, stage.pack, world)
    together = math.lcm(node, shape.cp * shape.tp)
    if copies and world % together == 0:
        shape = replace(shape, replicate=world // together)
    network = network_of(stage, recipe)
    decoder = config.decoder_of(network)
    try:
        meshes.fits(shape, decoder, stage.pack, world)
    except InputError as error:
        raise InputError(f"stage {stage.name}: {str(error).replace('dist.nproc', '--gpus')}") from None
    if isinstance(network, config.Decoder) and not {"decoder"} & {*stage.trains}:
        raise InputError(f"stages.{stage.name}.trains: {', '.join(stage.trains)} is not in a text decoder")
    teacher = recipe.teacher if stage.distil else None
    return Job(stage, network, teacher, shape, world)


def smaller(one: Job, node: int) -> Job | None:
    """The same work a rank on the fewest processes that are whole nodes, or a whole mesh; None where this is it."""
    least = one.mesh.cp * one.mesh.tp
    world = next((size for size in (math.lcm(node, least), least) if size < one.world), None)
    if world is None:
        return None
    rows, pack = one.own * world // least, one.stage.pack
    pack = replace(pack, rows=rows, tiles=pack.tiles * rows // pack.rows)
    return replace(one, stage=replace(one.stage, pack=pack), mesh=replace(one.mesh, replicate=1), world=world)


def run(one: Job, fused: bool) -> Trace:
    """One rank's step, without numbers; `fused` as a GPU's kernels do it."""
    many = -(-one.own // one.micro)
    with fake.processes(one.world, one.rank):
        mesh = meshes.build(one.mesh, PLACE.device) if one.world > 1 else meshes.alone()
        with fake.nowhere(fused), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            trainer = built(one.network, one.teacher, one.stage, mesh)
            memory, weights, moments = _held(trainer)
            if one.mesh.tp > 1:
                _once(trainer, one, 1, memory)  # DTensor tries out each call that is new to it
            found = [_once(trainer, one, count, memory) for count in range(1, min(many, 2) + 1)]
    first, last = found[0], found[-1]
    events = {event: count + max(many - 2, 0) * (count - first[event]) for event, count in last.items()}
    return Trace(events, weights, moments, memory.peak, one.stage.pack.rows * _flops(one), many)


def built(network: Shape, teacher: config.Decoder | None, stage: config.Train, mesh: meshes.Mesh) -> step.Trainer:
    """A trainer of networks that are nowhere."""
    made = [_network(shape) for shape in (network, teacher) if shape is not None]
    made[0].decoder.set_yarn(stage.yarn)
    with fake.Cut():
        return step.build(made[0], stage, PLACE, made[1] if teacher else None, mesh=mesh)


def _network(shape: Shape) -> step.Network:
    network = step.wrap(Lapis(shape) if isinstance(shape, config.Model) else Decoder(shape))
    vars(network)["to"] = lambda *where: network  # it is nowhere, and there it stays
    return network


def _held(trainer: step.Trainer) -> tuple[Memory, int, int]:
    """What a rank holds between steps, and the bytes of weights and moments in it."""
    memory = Memory()
    networks = (trainer.network, *filter(None, [trainer.teacher]))
    for parameter in (parameter for network in networks for parameter in network.parameters()):
        memory.see(shard.local(parameter.detach()).untyped_storage())
    weights = memory.held
    for _, _, value in trainer.optimizer.moments():
        memory.see(value.untyped_storage())
    return memory, weights, memory.held - weights


def _once(trainer: step.Trainer, one: Job, many: int, memory: Memory) -> Counter[Event]:
    """What happens in a step of so many micro-batches."""
    rows = many * one.micro
    batch = batches.make(one.filling, rows, one.network)
    if isinstance(one.network, config.Model):
        side = one.network.vit.tile
        tiles = torch.empty(rows * one.filling.tiles, side, side, 3, dtype=torch.uint8)
        batch = replace(batch, tiles_NSS3=tiles)
    with memory.watching(), Count(memory) as count:
        trainer.step(batch, STEP, 1.0)
    return Counter(count.events)


def _flops(one: Job) -> int:
    """Of one row, by the model's shape."""
    text = monitor.flops(batches.make(one.filling, 1, one.network), one.cost)
    return text + monitor.PASSES * one.filling.tiles * one.cost.tile
