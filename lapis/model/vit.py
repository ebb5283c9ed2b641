"""Vision tower in SigLIP2's form (arXiv 2502.14786): patches, learned positions, pre-norm layers, no pooling head.

Unusual: pixels come as raw uint8 tiles and are cut into patches here, in SigLIP2's own order (rows, columns, then
row, column and channel inside the patch), so that the patch embedding is one matrix product and exports as it is.

Shape legend: N tiles, S pixels of a tile's side, P patches of a tile, W width, H heads, E head dimension,
C = 3 x patch x patch values of a patch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapis import config
from lapis.model.attention import full


def patchify(tiles_NSS3: Tensor, patch: int) -> Tensor:
    """Patches of square tiles in reading order, [N, P, C], same dtype; S must be a multiple of `patch`."""
    tiles, side = tiles_NSS3.shape[:2]
    grid = side // patch
    cut = tiles_NSS3.view(tiles, grid, patch, grid, patch, 3).transpose(2, 3)
    return cut.reshape(tiles, grid * grid, patch * patch * 3)


def normalise(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 0..255 to -1..1 (SigLIP2's mean and deviation of 0.5)."""
    return pixels.to(dtype) / 127.5 - 1.0


class Attention(nn.Module):
    """Every patch of a tile sees every other."""

    def __init__(self, shape: config.ViT):
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)

    def forward(self, x_NPW: Tensor) -> Tensor:
        q_NPHE, k_NPHE, v_NPHE = self.qkv(x_NPW).unflatten(-1, (3, self.heads, -1)).unbind(2)
        return self.out(full(q_NPHE, k_NPHE, v_NPHE).flatten(2))


class MLP(nn.Module):
    """Two matrices with a tanh-form GELU between."""

    def __init__(self, shape: config.ViT):
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.mlp)
        self.fc2 = nn.Linear(shape.mlp, shape.width)

    def forward(self, x_NPW: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x_NPW), approximate="tanh"))


class Layer(nn.Module):
    """Pre-norm attention and MLP, each added to its input."""

    def __init__(self, shape: config.ViT):
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, shape.eps)
        self.attention = Attention(shape)
        self.norm2 = nn.LayerNorm(shape.width, shape.eps)
        self.mlp = MLP(shape)

    def forward(self, x_NPW: Tensor) -> Tensor:
        x_NPW = x_NPW + self.attention(self.norm1(x_NPW))
        return x_NPW + self.mlp(self.norm2(x_NPW))


class ViT(nn.Module):
    """Parameters: `patch`, `positions`, `layers.N`, `norm`."""

    def __init__(self, shape: config.ViT):
        super().__init__()
        self.config = shape
        self.patch = nn.Linear(3 * shape.patch**2, shape.width)
        self.positions = nn.Embedding(shape.grid**2, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width, shape.eps)

    def forward(self, tiles_NSS3: Tensor) -> Tensor:
        """Features of each patch after the last norm, [N, P, W], of uint8 tiles; N may be 0."""
        patches_NPC = normalise(patchify(tiles_NSS3, self.config.patch), self.patch.weight.dtype)
        return self.encode(patches_NPC)

    def encode(self, patches_NPC: Tensor) -> Tensor:
        """The same of flattened patches that are normalised already."""
        x_NPW = self.patch(patches_NPC) + self.positions.weight
        for layer in self.layers:
            x_NPW = layer(x_NPW)
        return self.norm(x_NPW)
