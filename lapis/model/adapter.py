"""From patch features to image tokens: 2x2 neighbours concatenated, then a two-layer MLP (BlueLM-V-3B, section 3).

Unusual: the four neighbours are ordered as transformers' `Lfm2VlMultiModalProjector` and llama.cpp's `lfm2` projector
order them, so that export is a plain copy. An odd grid is padded with zeros below and on the right. A class of the
user's own can stand in its place (`build`).

Shape legend: N tiles, P patches of a tile, W the ViT's width, Q image tokens of a tile, D the decoder's width,
H hidden, K = shuffle^2 patches of an image token.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapis import config, plug
from lapis.types import InputError


def unshuffle(hidden_NPW: Tensor, shuffle: int) -> Tensor:
    """Squares of `shuffle` x `shuffle` neighbours side by side: [N, Q, shuffle^2 x W], rows first inside a square."""
    tiles, patches, width = hidden_NPW.shape
    grid = math.isqrt(patches)
    x = hidden_NPW.view(tiles, grid, grid, width)
    if odd := -grid % shuffle:
        x = F.pad(x, (0, 0, 0, odd, 0, odd))
    side = (grid + odd) // shuffle
    x = x.reshape(tiles, side, shuffle, side, shuffle, width).transpose(2, 3)
    return x.reshape(tiles, side * side, shuffle * shuffle * width)


class Adapter(nn.Module):
    """Parameters: `fc1`, `fc2`."""

    def __init__(self, shape: config.Adapter, vit_width: int, decoder_width: int):
        super().__init__()
        self.config = shape
        self.fc1 = nn.Linear(shape.shuffle**2 * vit_width, shape.hidden)
        self.fc2 = nn.Linear(shape.hidden, decoder_width)

    def forward(self, hidden_NPW: Tensor) -> Tensor:
        """Image tokens [N, Q, D]; the GELU is the tanh form, which llama.cpp computes for this projector."""
        x = self.fc1(unshuffle(hidden_NPW, self.config.shuffle))
        return self.fc2(F.gelu(x, approximate="tanh"))

    def alone(self, hidden_NPW: Tensor) -> Tensor:
        """What each patch of an image token would give by itself, the others taken as zero: [N, Q, shuffle^2, D]."""
        parts = self.config.shuffle**2
        x_NQKW = unshuffle(hidden_NPW, self.config.shuffle).unflatten(-1, (parts, -1))
        weight_HKW = self.fc1.weight.unflatten(-1, (parts, -1))
        x_NQKH = torch.einsum("nqkw,hkw->nqkh", x_NQKW, weight_HKW.to(x_NQKW.dtype)) + self.fc1.bias
        return self.fc2(F.gelu(x_NQKH, approximate="tanh"))


def build(shape: config.Adapter, vit_width: int, decoder_width: int) -> nn.Module:
    """The adapter of a shape: ours, or one of `shape.kind`, made with the same arguments.

    One's own is made on the CPU wherever the rest is, since it begins as its constructor says. Raises InputError where
    its name is that of no module.
    """
    if not shape.kind:
        return Adapter(shape, vit_width, decoder_width)
    kind = plug.named(shape.kind, "model.adapter.kind")
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise InputError(f"model.adapter.kind: {shape.kind!r} is no torch.nn.Module")
    with torch.device("cpu"):
        return kind(shape, vit_width, decoder_width)
