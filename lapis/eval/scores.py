"""A model's logits where the tokens are given: what losses and comparisons of engines are made of.

Shapes: T tokens, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis, text_of
from lapis.serve.engine import encode_images
from lapis.types import Image


@torch.inference_mode()
def scores(model: Lapis | Decoder, ids: Sequence[int], images: Sequence[Image] = (), first: int = 0) -> torch.Tensor:
    """float32 [T, V] logits after each token from number `first` on, in the model's precision.

    Image tokens stand in `ids`, those of `images` in their order; a text model reads them as any other token.
    """
    tokens_1T = torch.tensor([list(ids)])
    decoder = text_of(model)
    if images and isinstance(model, Lapis):
        x_1TD = model.merge(tokens_1T, torch.cat(encode_images(model, images)))
    else:
        x_1TD = decoder.embed(tokens_1T)
    hidden_1TD = decoder(x_1TD, torch.arange(tokens_1T.shape[1])[None])
    return decoder.logits(hidden_1TD[0, first:]).float()
