"""What a photograph looks like to a model of ours: the mean of its image tokens over the whole picture as one tile.

Ours. It satisfies `types.Embedder`, by which lapis/data finds photographs that are cropped or coloured otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pixels

from lapis.model import anyres, convert
from lapis.model.vlm import Lapis
from lapis.types import InputError

AT_ONCE = 16
"""Pictures of a forward pass."""


class ViTLooks:
    """The ViT and adapter of a model folder. Raises InputError for a model that sees no images."""

    def __init__(self, folder: Path):
        model = convert.read(folder)
        if not isinstance(model, Lapis):
            raise InputError(f"{folder}: a text model, expected one with a ViT (data.corpus.photos.model)")
        self.model = model

    def embed(self, images: Sequence[bytes]) -> Any:
        """Unit vectors [N, D], float32."""
        return np.concatenate([self._few(images[at : at + AT_ONCE]) for at in range(0, len(images), AT_ONCE)])

    @torch.no_grad()
    def _few(self, images: Sequence[bytes]) -> Any:
        side = self.model.config.vit.tile
        pixels = [anyres.pixels(data).resize((side, side), Pixels.Resampling.BICUBIC) for data in images]
        tiles_NSS3 = torch.from_numpy(np.stack([np.asarray(one) for one in pixels]))
        tokens_NKD = self.model.features(tiles_NSS3).unflatten(0, (len(images), -1))
        return torch.nn.functional.normalize(tokens_NKD.float().mean(1), dim=-1).numpy()
