"""The model under training: the optimizer updates from the answers of a step, in one process or over several.

Unusual: the decoder alone is trained. A reward says too little to move the vision tower by, so a picture's features
are computed once a step and shared by all answers to it (ours; the original does not say).

Over several processes the decoder is spread as in training (dist/shard.py), every process has all answers, packs the
same rows, and computes those of its rank; sums are the step's.

Shapes: L tokens of a row, M trained tokens of it, V image tokens or vocabulary, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from lapis import config
from lapis.dist import guard, shard
from lapis.dist.mesh import Mesh, alone
from lapis.dist.shard import Sharded
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis, text_of
from lapis.rl import loss as losses
from lapis.rl.rollout import encode_images
from lapis.rl.rows import Episode, Row, pack
from lapis.train import optim

Value = TypeVar("Value")
Features = dict[bytes, Tensor]
"""Image tokens [V, D] by an image's bytes."""
NAMES = tuple(field.name for field in fields(losses.Outputs))


class Network(nn.Module):
    """What is spread: whatever reads the weights runs inside its forward."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, work: Callable[[], Value]) -> Value:
        return work()


@dataclass(frozen=True, slots=True)
class Part:
    """A row that this process computes."""

    row: Row
    counts: bool
    """False for one that only keeps this process in step with those that have a row more."""
    old_M: Tensor | None = None
    """Its log-probabilities before the step's first update, where there are several."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a step's updates were. Means over their trained tokens."""

    loss: float
    clip: float
    mismatch_kl: float
    capped: float
    kl: float
    ess: float
    """Effective sample size of the importance weights, as a share of the tokens (Kish 1965): 1 where all are alike."""
    grad_norm: float
    rate: float
    tokens: int
    """Trained tokens."""
    seen: int
    """Tokens that went through the decoder."""
    image_tokens: int


class Policy:
    """A model, its optimizer, and the frozen start for the KL term where that is on."""

    def __init__(self, model: Lapis | Decoder, stage: config.RL, place: guard.Place, mesh: Mesh | None = None):
        self.mesh = mesh or alone()
        self.model = model.to(place.device).requires_grad_(False)
        self.decoder = text_of(model)
        self.reference = copy.deepcopy(self.decoder) if stage.kl else None
        self.decoder.requires_grad_(True)
        self.network = Network(self.decoder)
        self.engine = Sharded(self.network, self.mesh)
        self.optimizer = optim.build(self.network, stage.optim, engine=self.engine)
        self.stage, self.place = stage, place
        self.updates = 0
        """Of the optimizer, over all steps."""

    def update(self, episodes: Sequence[Episode], step: int) -> Result:
        """`stage.updates` updates, each from its share of the answers; ratios are against the weights before the first.

        Raises guard.NonFinite before an update that is not finite touches the weights.
        """
        rate = optim.set_rates(self.optimizer, optim.factor(step, self.stage.steps, self.stage.optim))
        many = self.stage.updates
        shares = [share for first in range(many) if (share := episodes[first::many])]
        packed = [list(pack(share, self.stage.row_tokens)) for share in shares]
        parts = [self._mine(rows) for rows in packed]
        features = self._features(episodes, parts)
        if len(shares) > 1:
            parts = [[self._before(part, features) for part in one] for one in parts]
        tokens = [sum(len(row.at_M) for row in rows) for rows in packed]
        done = [self._once(one, features, count, step) for one, count in zip(parts, tokens, strict=True)]
        means = {name: sum(one[name] for one in done) / max(len(done), 1) for name in ("grad_norm", *NAMES)}
        weight, square = means.pop("weight"), means.pop("square")
        images = sum(len(features[image.data]) for one in parts for p in one if p.counts for image in p.row.images)
        return Result(
            **means,
            ess=min(1.0, weight**2 / max(square, 1e-12)),
            rate=rate,
            tokens=sum(tokens),
            seen=sum(row.tokens_1L.numel() for rows in packed for row in rows),
            image_tokens=int(self.mesh.sum(torch.tensor(images))),
        )

    def _mine(self, rows: Sequence[Row]) -> list[Part]:
        """The rows of this process, and as many parts on each."""
        trained = [row for row in rows if len(row.at_M)]
        own = [Part(row.to(self.place.device), True) for row in trained[self.mesh.rank :: self.mesh.world]]
        missing = -(-len(trained) // self.mesh.world) - len(own)
        return own + [Part(trained[0].to(self.place.device), False)] * missing

    @torch.no_grad()
    def _before(self, part: Part, features: Features) -> Part:
        """With its log-probabilities under the weights of now."""
        return replace(part, old_M=self._logprobs(self.decoder, part.row, features))

    def _once(self, parts: Sequence[Part], features: Features, tokens: int, step: int) -> dict[str, float]:
        """One update; its loss and the other means."""
        sums_N = torch.zeros(len(NAMES), dtype=torch.float64)
        for number, part in enumerate(parts, 1):
            out = self._backward(part, features, tokens, number == len(parts))
            if part.counts:
                sums_N += torch.stack([getattr(out, name).detach().cpu() for name in NAMES])
        norm = self._clipped()
        sums = dict(zip(NAMES, self.mesh.sum(sums_N).tolist(), strict=True))
        try:
            guard.check(step, sums["loss"], norm)
            self.optimizer.step()
            self.updates += 1
        finally:
            self.optimizer.zero_grad()
        return sums | {"grad_norm": norm}

    def _clipped(self) -> float:
        """The gradient's norm, which is at most `optim.clip` afterwards."""
        if self.mesh.world == 1:
            return float(nn.utils.clip_grad_norm_(self.decoder.parameters(), self.stage.optim.clip))
        whole = float(shard.norm(self.engine.pieces.values(), self.mesh))
        for gradient in (piece.gradient() for piece in self.engine.pieces.values()):
            if gradient is not None:
                gradient.mul_(min(1.0, self.stage.optim.clip / (whole + 1e-6)))
        return whole

    def _features(self, episodes: Sequence[Episode], parts: Sequence[Sequence[Part]]) -> Features:
        """Features [V, D] of each distinct image of this process's rows, by its bytes."""
        own = {image.data for one in parts for part in one for image in part.row.images}
        images = {image.data: image for episode in episodes for image in episode.images if image.data in own}
        if not images or not isinstance(self.model, Lapis):
            return {}
        with torch.no_grad(), self._precision():
            found = encode_images(self.model, list(images.values()), self.place.device)
        return dict(zip(images, found, strict=True))

    def _backward(self, part: Part, features: Features, tokens: int, last: bool) -> losses.Outputs:
        """Gradients of a row; with the last one they are summed over processes."""
        stage, row, reference_M = self.stage, part.row, None
        if self.reference is not None:
            with torch.no_grad():
                reference_M = self._logprobs(self.reference, row, features)
        current_M = self._logprobs(self.decoder, row, features)
        inputs = losses.Inputs(current_M, row.engine_M, row.advantages_M, tokens, part.old_M, reference_M)
        out = losses.compute(inputs, losses.Settings(stage.clip_low, stage.clip_high, stage.kl, stage.is_cap))
        self.engine.backward(out.loss if part.counts else out.loss * 0, last)
        return out

    def _logprobs(self, decoder: Decoder, row: Row, features: Features) -> Tensor:
        """float32 [M] of the row's targets at temperature 1."""
        if decoder is not self.decoder:
            return self._computed(decoder, row, features)
        logprobs_M: Tensor = self.network(partial(self._computed, decoder, row, features))
        return logprobs_M

    def _embed(self, decoder: Decoder, row: Row, features: Features) -> Tensor:
        x_1LD = decoder.embed(row.tokens_1L)
        if not row.images or not isinstance(self.model, Lapis):
            return x_1LD
        places_1L = row.tokens_1L == self.model.config.image_token
        features_VD = torch.cat([features[image.data] for image in row.images]).to(x_1LD.dtype)
        return x_1LD.masked_scatter(places_1L[..., None], features_VD)

    def _computed(self, decoder: Decoder, row: Row, features: Features) -> Tensor:
        x_1LD = self._embed(decoder, row, features)
        with self._precision():
            hidden_1LD = decoder(x_1LD, row.positions_1L, row.documents_1L)
            logits_MV = decoder.logits(hidden_1LD[0, row.at_M]).float()
        return logits_MV.gather(1, row.targets_M[:, None])[:, 0] - logits_MV.logsumexp(1)

    def _precision(self) -> torch.autocast:
        dtype = self.place.dtype
        return torch.autocast(self.place.device.type, dtype, enabled=dtype != torch.float32)

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run needs, as the live tensors."""
        weights = {f"model.{name}": tensor for name, tensor in self.decoder.state_dict().items()}
        start = {} if self.reference is None else self.reference.state_dict()
        return weights | {f"start.{name}": tensor for name, tensor in start.items()} | optim.state(self.optimizer)

    def restored(self, updates: int) -> None:
        """After a checkpoint filled `tensors()`."""
        self.updates = updates
        self.optimizer.set_updates(updates)


def plain(result: Result | None) -> dict[str, float]:
    """A metrics line's share; a step without a mixed group had no update, and zeros."""
    return asdict(result) if result else {field.name: 0.0 for field in fields(Result)}
