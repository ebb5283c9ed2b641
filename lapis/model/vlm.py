"""The whole network: tiles through ViT and adapter into the decoder's sequence.

Unusual: the parts are decoupled and can be called alone (`features`, `merge`), because the trainer, the engine's
prefill and later the parallel vision path each need another order of them.

Shape legend: B rows, T tokens, D decoder width, N tiles, S pixels of a tile's side, V image tokens of the batch,
K patches of an image token, P patches of a tile, W the ViT's width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from lapis import config
from lapis.model.adapter import Adapter, build
from lapis.model.decoder import Decoder, Tap
from lapis.model.vit import ViT
from lapis.types import Batch


class Output(NamedTuple):
    """What a forward gives; logits are left to the loss, which computes them in chunks."""

    hidden_BTD: Tensor | None
    """After the final norm; None where the decoder was left out."""
    features_VD: Tensor
    """Image tokens in order of appearance; 0 rows in a batch without images."""
    patches_VKD: Tensor | None = None
    """What each patch of an image token gives by itself (Adapter.alone), where it was asked for."""
    taps: tuple[Tap, ...] = ()
    """What passes at the decoder layers that were asked for."""


@torch.compiler.disable
def _check(places_BT: Tensor, features_VD: Tensor) -> None:
    """Apart, because it reads a tensor on the host, which a compiled graph cannot."""
    places = int(places_BT.sum())
    if places != len(features_VD):
        raise ValueError(f"{places} image places in the tokens, {len(features_VD)} image features")


class Lapis(nn.Module):
    """Parameters: `vit.*`, `adapter.*`, `decoder.*`."""

    def __init__(self, shape: config.Model):
        super().__init__()
        self._shape = shape
        self.vit = ViT(shape.vit)
        self.adapter = build(shape.adapter, shape.vit.width, shape.decoder.width)
        self.decoder = Decoder(shape.decoder)
        self.deliver: Callable[[Tensor, Tensor], Tensor] = lambda tokens_BT, features_VD: features_VD
        """Which features belong to these tokens; another where tiles are dealt over processes."""

    @property
    def config(self) -> config.Model:
        """The shape as it stands: the decoder's part follows `set_yarn`."""
        shape = self._shape
        return config.Model(shape.vit, shape.adapter, self.decoder.config, shape.anyres, shape.image_token)

    def features(self, tiles_NSS3: Tensor) -> Tensor:
        """Image tokens of uint8 tiles, [V, D]; N = 0 runs the same path and gives 0 rows."""
        return self.adapter(self.vit(tiles_NSS3)).flatten(0, 1)

    def merge(self, tokens_BT: Tensor, features_VD: Tensor) -> Tensor:
        """Embedded tokens with the image tokens in their places, [B, T, D].

        Raises ValueError where the places are not as many as the features.
        """
        x_BTD = self.decoder.embed(tokens_BT)
        places_BT = tokens_BT == self._shape.image_token
        _check(places_BT, features_VD)
        return x_BTD.masked_scatter(places_BT[..., None], features_VD.to(x_BTD.dtype))

    def forward(self, batch: Batch, decode: bool = True, alone: bool = False, taps: Sequence[int] = ()) -> Output:
        """Encode the tiles and, unless `decode` is false, run the decoder over the packed rows.

        `alone` also gives what each patch would by itself, `taps` what passes at those layers of the decoder.
        """
        hidden_NPW = self.vit(batch.tiles_NSS3)
        features_VD = self.adapter(hidden_NPW).flatten(0, 1)
        patches_VKD = cast(Adapter, self.adapter).alone(hidden_NPW).flatten(0, 1) if alone else None
        if not decode:
            return Output(None, features_VD, patches_VKD)
        x_BTD = self.merge(batch.tokens_BT, self.deliver(batch.tokens_BT, features_VD))
        hidden_BTD, passed = self.decoder.tapped(x_BTD, batch.positions_BT, batch.documents_BT, taps)
        return Output(hidden_BTD, features_VD, patches_VKD, passed)


def text_of(model: Lapis | Decoder) -> Decoder:
    """The decoder of a whole network, or of one that reads text only and is nothing else."""
    return model.decoder if isinstance(model, Lapis) else model
