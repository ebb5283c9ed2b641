"""The model under training: the optimizer updates from the answers of a step.

Unusual: the decoder alone is trained. A reward says too little to move the vision tower by, so a picture's features
are computed once a step and shared by all answers to it (ours; the original does not say).

Shapes: L tokens of a row, M trained tokens of it, V image tokens or vocabulary, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor, nn

from lapis import config
from lapis.dist import guard
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis, text_of
from lapis.rl import loss as losses
from lapis.rl.rollout import encode_images
from lapis.rl.rows import Episode, Row, pack
from lapis.train import optim

Features = dict[bytes, Tensor]
"""Image tokens [V, D] by an image's bytes."""


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

    def __init__(self, model: Lapis | Decoder, stage: config.RL, place: guard.Place):
        self.model = model.to(place.device).requires_grad_(False)
        self.decoder = text_of(model)
        self.reference = copy.deepcopy(self.decoder) if stage.kl else None
        self.decoder.requires_grad_(True)
        self.optimizer = optim.build(self.decoder, stage.optim)
        self.stage, self.place = stage, place
        self.updates = 0
        """Of the optimizer, over all steps."""

    def update(self, episodes: Sequence[Episode], step: int) -> Result:
        """`stage.updates` updates, each from its share of the answers; ratios are against the weights before the first.

        Raises guard.NonFinite before an update that is not finite touches the weights.
        """
        rate = optim.set_rates(self.optimizer, optim.factor(step, self.stage.steps, self.stage.optim))
        features, many = self._features(episodes), self.stage.updates
        shares = [share for first in range(many) if (share := episodes[first::many])]
        parts = [self._rows(share, features, len(shares) > 1) for share in shares]
        done = [self._once(part, features, step) for part in parts]
        names = ("grad_norm", *(field.name for field in fields(losses.Outputs)))
        means = {name: sum(one[name] for one in done) / max(len(done), 1) for name in names}
        weight, square = means.pop("weight"), means.pop("square")
        rows = [row for part in parts for row, _ in part]
        return Result(
            **means,
            ess=weight**2 / max(square, 1e-12),
            rate=rate,
            tokens=sum(len(row.at_M) for row in rows),
            seen=sum(row.tokens_1L.numel() for row in rows),
            image_tokens=sum(len(features[image.data]) for row in rows for image in row.images),
        )

    def _rows(self, episodes: Sequence[Episode], features: Features, again: bool) -> list[tuple[Row, Tensor | None]]:
        """Packed rows, each with its log-probabilities under the weights of now where it is needed `again` later."""
        rows = [row.to(self.place.device) for row in pack(episodes, self.stage.row_tokens)]
        if not again:
            return [(row, None) for row in rows]
        with torch.no_grad():
            return [(row, self._logprobs(self.decoder, self._embed(row, features), row)) for row in rows]

    def _once(self, rows: Sequence[tuple[Row, Tensor | None]], features: Features, step: int) -> dict[str, float]:
        """One update; its loss and the other means."""
        tokens = sum(len(row.at_M) for row, _ in rows)
        parts = [self._backward(row, old_M, features, tokens) for row, old_M in rows if len(row.at_M)]
        norm = float(nn.utils.clip_grad_norm_(self.decoder.parameters(), self.stage.optim.clip))
        sums = {field.name: sum(float(getattr(part, field.name)) for part in parts) for field in fields(losses.Outputs)}
        try:
            guard.check(step, sums["loss"], norm)
            self.optimizer.step()
            self.updates += 1
        finally:
            self.optimizer.zero_grad()
        return sums | {"grad_norm": norm}

    def _features(self, episodes: Sequence[Episode]) -> Features:
        """Features [V, D] of each distinct image, by its bytes."""
        images = {image.data: image for episode in episodes for image in episode.images}
        if not images or not isinstance(self.model, Lapis):
            return {}
        with torch.no_grad(), self._precision():
            found = encode_images(self.model, list(images.values()), self.place.device)
        return dict(zip(images, found, strict=True))

    def _backward(self, row: Row, old_M: Tensor | None, features: Features, tokens: int) -> losses.Outputs:
        x_1LD = self._embed(row, features)
        stage = self.stage
        reference_M = None
        if self.reference is not None:
            with torch.no_grad():
                reference_M = self._logprobs(self.reference, x_1LD.detach(), row)
        current_M = self._logprobs(self.decoder, x_1LD, row)
        inputs = losses.Inputs(current_M, row.engine_M, row.advantages_M, tokens, old_M, reference_M)
        out = losses.compute(inputs, losses.Settings(stage.clip_low, stage.clip_high, stage.kl, stage.is_cap))
        out.loss.backward()
        return losses.Outputs(**{field.name: getattr(out, field.name).detach() for field in fields(out)})

    def _embed(self, row: Row, features: Features) -> Tensor:
        if not row.images or not isinstance(self.model, Lapis):
            return self.decoder.embed(row.tokens_1L)
        return self.model.merge(row.tokens_1L, torch.cat([features[image.data] for image in row.images]))

    def _logprobs(self, decoder: Decoder, x_1LD: Tensor, row: Row) -> Tensor:
        """float32 [M] of the row's targets at temperature 1."""
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
