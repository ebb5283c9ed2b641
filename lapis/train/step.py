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
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from lapis import config
from lapis.dist import guard
from lapis.dist.guard import Place
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis, Output
from lapis.train import look, micro, optim
from lapis.train import loss as losses
from lapis.types import Batch, InputError

log = logging.getLogger(__name__)


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
        hidden_BTD, taps_BTD = self.decoder.tapped(x_BTD, batch.positions_BT, batch.documents_BT, taps)
        return Output(hidden_BTD, features_VD, taps_BTD=taps_BTD)


Network = Lapis | TextOnly


def wrap(module: Lapis | Decoder) -> Network:
    """Any of our modules in the whole model's form."""
    return TextOnly(module) if isinstance(module, Decoder) else module


def unwrap(network: Network) -> Lapis | Decoder:
    """The module that `wrap` was given."""
    return network.decoder if isinstance(network, TextOnly) else network


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

    def step(self, batch: Batch, number: int, scale: float) -> Result:
        """Train on one batch at `scale` x the peak rates. Raises guard.NonFinite before anything is changed."""
        rate = optim.set_rates(self.optimizer, scale)
        batch = batch.to(self.place.device)
        divisors = losses.totals(batch)
        parts = micro.cut(batch, tiles_per_row(self.network, batch), self.place.lanes)
        whole = _sum(micro.run(lambda part: self._backward(part, divisors), parts, self.place.lanes))
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = float(nn.utils.clip_grad_norm_(trained, self.stage.optim.clip))
        try:
            guard.check(number, float(whole.loss), norm)
            self.optimizer.step()
        finally:
            self.optimizer.zero_grad()
        self.updates += 1
        return _result(whole, batch, norm, rate)

    def _backward(self, batch: Batch, divisors: losses.Totals) -> losses.Outputs:
        out = losses.compute(self.inputs(batch, divisors))
        if out.loss.requires_grad:
            out.loss.backward()
        return replace(out, loss=out.loss.detach())

    def inputs(self, batch: Batch, divisors: losses.Totals) -> losses.Inputs:
        """The forward, and how the stage weighs what it gave."""
        stage, decoder = self.stage, self.network.decoder
        taps = look.taps(decoder) if stage.look_weight else ()
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
            look=look.loss(decoder, out.taps_BTD, batch, divisors.looks) if out.taps_BTD else None,
            look_weight=stage.look_weight,
            teacher=self._taught(batch),
            chunk=stage.distil.chunk if stage.distil else losses.CHUNK,
            dtype=self.place.dtype,
        )

    def _taught(self, batch: Batch) -> losses.Teacher | None:
        if self.teacher is None or self.stage.distil is None:
            return None
        with torch.no_grad():
            hidden_BTE = forward(self.teacher, batch, self.place).hidden_BTD
        assert hidden_BTE is not None
        distil = self.stage.distil
        return losses.Teacher(hidden_BTE, self.teacher.decoder.unembedding_VD, distil.weight, distil.temperature)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, as the live tensors: weights, moments, and the CPU's random state."""
        weights = {f"model.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return {**weights, **optim.state(self.network, self.optimizer), "rng": torch.get_rng_state()}

    def restored(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take over what a checkpoint filled `tensors()` with."""
        torch.set_rng_state(tensors["rng"])
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
) -> Trainer:
    """A trainer on its device with fresh optimizer state; parts that the stage does not name are frozen.

    `letters_A` are the rising ids of what a patch may show, int64; None for the whole vocabulary.

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
    return Trainer(network, optim.build(network, stage.optim, place.lanes), stage, place, teacher, letters_A)


def compile_layers(network: Network) -> None:
    """torch.compile each layer (one graph serves all of a kind); without a working compiler, a line in the log."""
    try:
        torch.compile(torch.sin)(torch.zeros(8))
    except (RuntimeError, OSError) as error:
        log.warning("torch.compile does not work here (%s); training goes on without it", str(error).split("\n")[0])
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


def _sum(parts: list[losses.Outputs]) -> losses.Outputs:
    """Micro-batches share the step's divisors, so every field simply adds up."""
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(losses.Outputs)]
    return losses.Outputs(**{name: torch.stack([getattr(part, name) for part in parts]).sum(0) for name in names})


def _result(whole: losses.Outputs, batch: Batch, norm: float, rate: float) -> Result:
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
        tokens=int((batch.documents_BT >= 0).sum()),
        targets=int((batch.targets_BT >= 0).sum()),
        tiles=len(batch.tiles_NSS3),
        kinds=kinds,
    )
