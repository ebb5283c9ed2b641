"""From a conversation to the inputs of the exported model in stock transformers.

Unusual: it tiles images as training did, by `model.anyres`, and gives flattened patches with `spatial_shapes` and
`pixel_attention_mask`, which `Lfm2VlForConditionalGeneration` takes; the stock processor would tile otherwise.

Shape legend: T tokens, N tiles, P patches of a tile, C values of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lapis import chat, config, types
from lapis.model import anyres
from lapis.model.convert import config_of
from lapis.model.vit import normalise, patchify


class Processor:
    """Turns in, tensors out. `from_folder` reads an exported model's shape and tokenizer."""

    def __init__(self, shape: config.Model, tokenizer: chat.Tokenizer):
        self.config = shape
        self.tokenizer = tokenizer

    @classmethod
    def from_folder(cls, folder: Path | str) -> Processor:
        """Raises InputError for a folder that is no multimodal model, or has no tokenizer."""
        shape = config_of(Path(folder))
        if not isinstance(shape, config.Model):
            raise types.InputError(f"{folder}: a text model; the processor is for models with a vision tower")
        return cls(shape, chat.Tokenizer.load(Path(folder), shape.tokens_per_tile))

    def image(self, data: bytes, name: str = "image") -> types.Image:
        """A picture for a turn, from a file's bytes. Raises InputError where it cannot be decoded or is too large."""
        return anyres.image_of(data, name)

    def __call__(
        self, turns: Sequence[types.Turn], think: bool = False, budget: int | None = None
    ) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` int64 [1, T]; with images also `pixel_values` fp32 [N, P, C] in -1..1,
        `spatial_shapes` int64 [N, 2] and `pixel_attention_mask` int64 [N, P].

        `budget` is written into the prompt of a thinking request, in tokens.
        """
        encoded = chat.encode_prompt(turns, think, budget, self.tokenizer, self._tiles)
        ids_1T = torch.tensor([encoded.ids])
        inputs = {"input_ids": ids_1T, "attention_mask": torch.ones_like(ids_1T)}
        return inputs | self._pixels(encoded.images) if encoded.images else inputs

    def _tiles(self, image: types.Image) -> int:
        return anyres.tile_count(image.width, image.height, self.config.anyres, self.config.vit.tile)

    def _pixels(self, images: Sequence[types.Image]) -> dict[str, Tensor]:
        vit = self.config.vit
        cut = [anyres.cut(anyres.decode(image), self.config.anyres, vit.tile) for image in images]
        tiles_NSS3 = torch.from_numpy(np.concatenate(cut))
        patches_NPC = normalise(patchify(tiles_NSS3, vit.patch), torch.float32)
        return {
            "pixel_values": patches_NPC,
            "spatial_shapes": torch.full((len(tiles_NSS3), 2), vit.grid),
            "pixel_attention_mask": torch.ones(patches_NPC.shape[:2], dtype=torch.long),
        }
