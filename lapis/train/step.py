"""One optimizer step over a packed batch: forward, losses, backward, clipping, update.

Unusual: a decoder alone is wrapped to look like the whole model (`TextOnly`), so that nothing after it asks what it
trains. Parameters, gradients and optimizer are fp32 and matrix products bf16 by autocast: bf16 weights with fp32
masters measured no faster on a CPU. A step is cut into micro-batches (micro.py); losses are divided by the totals of
the whole step, so their gradients add up to the step's own.

Shape legend: B rows, T tokens, S pixels of a tile's side, D width, J kinds, A letters.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from functools import partial

import torch
from torch import Tensor, nn

from lapis import config
from lapis.data.deal import TOKENS, Cost, cost_of, cost_of_text
from lapis.dist import guard, shard, zero
from lapis.dist.context import Alone, Context, Spread
from lapis.dist.engine import Engine
from lapis.dist.guard import Place
from lapis.dist.mesh import Mesh, alone
from lapis.model.decoder import Decoder, Tap
from lapis.model.vlm import Lapis, Output
from lapis.said import first_line
from lapis.train import look, micro, optim
from lapis.train import loss as losses
from lapis.train.monitor import Monitor, flops, rates
from lapis.types import Batch, InputError

log = logging.getLogger(__name__)

EYES = ("cells", "patches", "places", "numbers")
"""Losses of tiles."""


class TextOnly(nn.Module):
    """A decoder in the whole model's form: no tiles, no image features. Parameters: `decoder.*`."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, batch: Batch, decode: bool = True, alone: bool = False, taps: Sequence[int] = ()) -> Output:
        x_BTD = self.decoder.embed(batch.tokens_BT)
        features_VD = x_BTD.new_zeros(0, x_BTD.shape[-1])
        if not decode:
            return Output(None, features_VD)
        hidden_BTD, passed = self.decoder.tapped(x_BTD, batch.positions_BT, batch.documents_BT, taps)
        return Output(hidden_BTD, features_VD, taps=passed)


Network = Lapis | TextOnly


def wrap(module: Lapis | Decoder) -> Network:
    """Any of our modules in the whole model's form."""
    return TextOnly(module) if isinstance(module, Decoder) else module


def unwrap(network: Network) -> Lapis | Decoder:
    """The module that `wrap` was given."""
    return network.decoder if isinstance(network, TextOnly) else network


def gathered(trainer: Trainer) -> Lapis | Decoder:
    """The whole trained module on the CPU; of several processes on the first alone, elsewhere it stays empty."""
    module = unwrap(trainer.network)
    if trainer.mesh.world == 1:
        return module.cpu()
    with torch.device("meta"):
        fresh = Lapis(module.config) if isinstance(module, Lapis) else Decoder(module.config)
    state = {name: tensor for name, tensor in trainer.engine.weights() if trainer.mesh.first}
    wrap(fresh).load_state_dict(state, strict=trainer.mesh.first, assign=True)
    return fresh


@dataclass(frozen=True, slots=True)
class Result:
    """What a step was, as plain numbers. Losses in nats."""

    loss: float
    lm: float
    """Cross-entropy of the targets; without distillation and cells this is the loss."""
    distil: float
    cells: float
    patches: float
    places: float
    numbers: float
    looks: float
    grad_norm: float
    """Before clipping."""
    rate: float
    """Largest learning rate of a group."""
    tokens: int
    """Without padding."""
    targets: int
    tiles: int
    kinds: dict[str, float]
    """Weighted mean cross-entropy of each kind that has targets."""
    rates: dict[str, float]
    """Largest learning rate of each part."""
    flops: int
    """Of the step on all processes, by the model's shape."""
    imbalance: float
    """How far the dearest process is over the mean, as a share of it."""
    norms: dict[str, dict[str, float]]
    """By module (monitor.py), on the steps that are watched."""


@dataclass(slots=True)
class Trainer:
    """A network with its optimizer; `step` is the only thing that changes them."""

    network: Network
    optimizer: optim.Optimizer
    stage: config.Train
    place: Place
    teacher: Network | None = None
    letters_A: Tensor | None = None
    updates: int = 0
    monitor: Monitor = field(init=False)
    context: Context = field(default_factory=Alone)
    spikes: guard.Spikes = field(default_factory=lambda: guard.Spikes(0.0))
    cost: Cost = TOKENS

    def __post_init__(self) -> None:
        self.monitor = Monitor(self.optimizer, self.mesh, self.stage.watch_every)

    @property
    def engine(self) -> Engine:
        return self.optimizer.engine

    @property
    def mesh(self) -> Mesh:
        return self.engine.mesh

    def step(self, batch: Batch, number: int, scale: float) -> Result:
        """Train on one batch at `scale` x the peak rates. Raises guard.Fault before anything is changed."""
        rate = optim.set_rates(self.optimizer, scale)
        batch = batch.to(self.place.device)
        divisors = self.divisors(batch)
        parts = micro.cut(batch, tiles_per_row(self.network, batch), self.place.lanes)
        last = len(parts) - 1
        work = partial(self._backward, divisors=divisors)
        whole = self.summed(micro.run(work, [(part, at == last) for at, part in enumerate(parts)], self.place.lanes))
        norm = self._clip()
        try:
            guard.check(number, float(whole.loss), norm)
            self.spikes.check(number, float(whole.loss))
            with self.monitor.around(number):
                self.optimizer.step()
        finally:
            self.optimizer.zero_grad()
        self.updates += 1
        return _result(whole, batch, norm, rate, self)

    def divisors(self, batch: Batch) -> losses.Totals:
        """What the sums of a step are divided by: of all rows of all processes."""
        mine = losses.totals(batch)
        if self.mesh.world == 1:
            return mine
        *counts, looks = astuple(mine)
        sums = self.mesh.sum(torch.tensor([*counts, *looks], dtype=torch.float64)) * self.mesh.rows / self.mesh.world
        targets, cells, patches, places, numbers, *looked = sums.tolist()
        return losses.Totals(targets, cells, patches, places, numbers, tuple(looked))

    def _backward(self, part: tuple[Batch, bool], divisors: losses.Totals) -> losses.Outputs:
        """Gradients of a micro-batch; those of the last one are added up over processes, with all before it."""
        batch, last = part
        out = self.outputs(batch, divisors)
        if out.loss.requires_grad:
            self.engine.backward(out.loss, last)
        return replace(out, loss=out.loss.detach())

    def outputs(self, batch: Batch, divisors: losses.Totals) -> losses.Outputs:
        """Forward and losses of a micro-batch."""

        def work() -> tuple[Tensor, losses.Outputs]:
            out = losses.compute(self.inputs(batch, divisors))
            return out.loss, out

        loss, out = self.engine.run(work)
        return replace(out, loss=loss)

    def _clip(self) -> float:
        """Norm of all gradients before they are clipped."""
        pieces = self.optimizer.pieces.values()
        if self.mesh.world == 1:
            return float(nn.utils.clip_grad_norm_([piece.own for piece in pieces], self.stage.optim.clip))
        norm = float(shard.norm(pieces, self.mesh))
        for grad in (piece.gradient() for piece in pieces):
            if grad is not None:
                grad.mul_(min(1.0, self.stage.optim.clip / (norm + 1e-6)))
        return norm

    def summed(self, parts: list[losses.Outputs]) -> losses.Outputs:
        """All micro-batches of all processes. They share the step's divisors, so every field simply adds up."""
        mine = losses.added(parts)
        if self.mesh.world == 1:
            return mine
        share = 1 / self.mesh.shape.tp
        eyes = self._eyes(mine)
        values = {field.name: getattr(mine, field.name) for field in fields(mine)}
        once = {name: value if name in EYES else value * share for name, value in values.items()}
        once["loss"] = (mine.loss - eyes) * share + eyes
        sums = self.mesh.sum(torch.cat([value.reshape(-1) for value in once.values()]))
        pieces = sums.split([value.numel() for value in once.values()])
        shapes = [value.shape for value in once.values()]
        return losses.Outputs(*(piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)))

    def _eyes(self, out: losses.Outputs) -> Tensor:
        """The part of the loss that comes of tiles, which no two processes share; tensor ranks hold the rest alike."""
        stage = self.stage
        return (
            stage.cell_weight * out.cells
            + stage.patch_weight * out.patches
            + stage.place_weight * out.places
            + stage.number_weight * out.numbers
        )

    def inputs(self, batch: Batch, divisors: losses.Totals) -> losses.Inputs:
        """The forward, and how the stage weighs what it gave."""
        stage, decoder, whole = self.stage, self.network.decoder, batch
        taps = look.taps(decoder) if stage.look_weight else ()
        batch = self.context.local(whole)
        out = forward(self.network, batch, self.place, stage.lm_weight > 0, stage.patch_weight > 0, taps)
        return losses.Inputs(
            batch=batch,
            hidden_BTD=out.hidden_BTD,
            features_VD=out.features_VD,
            unembedding_CD=decoder.unembedding_VD,
            embedding_CD=decoder.embedding.weight,
            totals=divisors,
            lm_weight=stage.lm_weight,
            cell_weight=stage.cell_weight,
            patches_VKD=out.patches_VKD,
            patch_weight=stage.patch_weight,
            letters_A=self.letters_A,
            place_weight=stage.place_weight,
            number_weight=stage.number_weight,
            look=self._looks(out.taps, whole, divisors),
            look_weight=stage.look_weight,
            teacher=self._taught(batch),
            chunk=stage.distil.chunk if stage.distil else losses.CHUNK,
            dtype=self.place.dtype,
        )

    def _looks(self, passed: tuple[Tap, ...], batch: Batch, divisors: losses.Totals) -> Tensor | None:
        if not passed:
            return None
        return look.loss(self.network.decoder, self.context.whole(passed), self.context.looks(batch), divisors.looks)

    def _taught(self, batch: Batch) -> losses.Teacher | None:
        if self.teacher is None or self.stage.distil is None:
            return None
        with torch.no_grad():
            hidden_BTE = forward(self.teacher, batch, self.place).hidden_BTD
        assert hidden_BTE is not None
        distil = self.stage.distil
        return losses.Teacher(hidden_BTE, self.teacher.decoder.unembedding_VD, distil.weight, distil.temperature)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs: weights, moments, and the CPU's random state."""
        weights = {f"model.{name}": tensor for name, tensor in self.engine.tensors().items()}
        return {**weights, **optim.state(self.optimizer), "rng": torch.get_rng_state()}

    def restored(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take over what a checkpoint filled `tensors()` with."""
        torch.set_rng_state(tensors["rng"])
        self.engine.restore(
            {name.removeprefix("model."): one for name, one in tensors.items() if name.startswith("model.")}
        )
        optim.restore(self.optimizer, tensors)
        self.updates = updates
        self.optimizer.set_updates(updates)


def forward(
    network: Network, batch: Batch, place: Place, decode: bool = True, alone: bool = False, taps: Sequence[int] = ()
) -> Output:
    """A forward with matrix products in the place's precision."""
    if not len(batch.tiles_NSS3) and isinstance(network, Lapis):
        side = network.config.vit.tile
        batch = replace(batch, tiles_NSS3=batch.tiles_NSS3.new_zeros(0, side, side, 3))
    with torch.autocast(place.device.type, place.dtype, enabled=place.dtype != torch.float32):
        return network(batch, decode, alone, taps)


def build(
    network: Network,
    stage: config.Train,
    place: Place,
    teacher: Network | None = None,
    letters_A: Tensor | None = None,
    mesh: Mesh | None = None,
) -> Trainer:
    """A trainer on its device with fresh optimizer state; parts that the stage does not name are frozen.

    `letters_A` are the rising ids of what a patch may show, int64; None for the whole vocabulary. With a `mesh` of
    several processes network and teacher are spread over them.

    Raises InputError where the network has none of the parts that the stage trains.
    """
    network.to(place.device).train()
    optim.freeze(network, stage.trains)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"stages.{stage.name}.trains: {', '.join(stage.trains)} is not in a text decoder")
    if teacher is not None:
        teacher.to(place.device).eval().requires_grad_(False)
    if place.compiled:
        compile_layers(network)
    letters_A = None if letters_A is None else letters_A.to(place.device)
    mesh = mesh or alone()
    context = _context(mesh, network, teacher) if mesh.world > 1 else Alone()
    engine = zero.Zero(network, mesh) if mesh.shape.engine == "deepspeed" else shard.Sharded(network, mesh)
    return Trainer(
        network,
        optim.build(network, stage.optim, place.lanes, engine),
        stage,
        place,
        teacher,
        letters_A,
        context=context,
        spikes=guard.Spikes(stage.spike),
        cost=cost_of(network.config) if isinstance(network, Lapis) else cost_of_text(network.decoder.config),
    )


def _context(mesh: Mesh, network: Network, teacher: Network | None) -> Context:
    """How a network and its teacher see their rows over a mesh; the teacher's weights are spread over it."""
    context = Spread(mesh, network.config.image_token if isinstance(network, Lapis) else -1)
    context.attach(unwrap(network))
    if teacher is not None:
        context.attach(unwrap(teacher))
        shard.shard(teacher, mesh)
    return context


def compile_layers(network: Network) -> None:
    """torch.compile each layer (one graph serves all of a kind); without a working compiler, a line in the log."""
    try:
        torch.compile(torch.sin)(torch.zeros(8))
    except (RuntimeError, OSError) as error:
        log.warning("torch.compile does not work here (%s); training goes on without it", first_line(error))
        return
    for name, part in network.named_modules():
        if name.split(".")[-2:-1] == ["layers"]:
            part.compile()


def tiles_per_row(network: Network, batch: Batch) -> Tensor:
    """Tiles of each row, int64 [B], on the host."""
    rows = len(batch.tokens_BT)
    if not len(batch.tiles_NSS3) or isinstance(network, TextOnly):
        return torch.zeros(rows, dtype=torch.int64)
    places_B = (batch.tokens_BT == network.config.image_token).sum(1)
    return (places_B * len(batch.tiles_NSS3) // places_B.sum()).cpu()


def _result(whole: losses.Outputs, batch: Batch, norm: float, rate: float, trainer: Trainer) -> Result:
    mesh, work = trainer.mesh, flops(batch, trainer.cost)
    counted = int((batch.documents_BT >= 0).sum()), int((batch.targets_BT >= 0).sum()), len(batch.tiles_NSS3), work
    every = mesh.sum(torch.tensor(counted)) * mesh.rows // mesh.world
    tokens, targets, tiles, total = every.tolist()
    sums, weights = whole.kind_sums_J.tolist(), whole.kind_weights_J.tolist()
    kinds = {kind: total / weight for kind, total, weight in zip(batch.kinds, sums, weights, strict=True) if weight}
    return Result(
        loss=float(whole.loss),
        lm=float(whole.lm),
        distil=float(whole.distil),
        cells=float(whole.cells),
        patches=float(whole.patches),
        places=float(whole.places),
        numbers=float(whole.numbers),
        looks=float(whole.looks),
        grad_norm=norm,
        rate=rate,
        tokens=tokens,
        targets=targets,
        tiles=tiles,
        kinds=kinds,
        rates=rates(trainer.optimizer),
        flops=total,
        imbalance=mesh.largest(work) * mesh.rows / max(total, 1) - 1,
        norms=trainer.monitor.norms,
    )
