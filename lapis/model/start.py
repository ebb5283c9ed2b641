"""How a ViT that has no public weights behind it begins (ours; measured in LOG.md).

Unusual: random weights leave a small tower on a plateau for ten thousand screens, because nothing in it knows that a
stroke is the same stroke two pixels further. So the start is written down, not drawn: the patch embedding is the
discrete cosine transform of a patch's brightness, the first MLP is a bank of small oriented filters at a grid of
places, pooled (a histogram of oriented strokes), the first attention is silent, and positions are faint beside the
content. All of it is ordinary weights of the ordinary architecture, and trains on.

Shape legend: X pixels of a patch's side, F coefficients, C = 3 x patch x patch values of a patch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lapis import config
from lapis.model.vit import MLP, Layer, ViT

PLACES = 8
"""Places of each filter along a patch's side; two by two are pooled."""
SPREAD, WAVE = 1.3, 4.5
"""Deviation of a filter's envelope and its wavelength, in pixels: strokes of 11 to 18 px text."""
MEAN_GAIN = 0.15
"""Of the coefficient that is a patch's mean brightness, which says nothing of its text."""
POOL_GAIN = 2.0
POSITION_GAIN = 0.1


def structure(vit: ViT) -> None:
    """Write the start into a tower in place; filters and coefficients that have no room are left out."""
    shape = vit.config
    basis_FXX = cosines(shape.patch)[: shape.width]
    gains_F = torch.ones(len(basis_FXX))
    gains_F[0] = MEAN_GAIN
    colour_FXX3 = (basis_FXX * gains_F[:, None, None] / 3).unsqueeze(-1).expand(-1, -1, -1, 3)
    vit.patch.weight.data[: len(basis_FXX)] = colour_FXX3.reshape(len(basis_FXX), -1)
    vit.positions.weight.data *= POSITION_GAIN
    first = vit.layers[0]
    assert isinstance(first, Layer)
    first.attention.out.weight.data.zero_()
    _filters(first.mlp, shape, basis_FXX)


def cosines(side: int) -> Tensor:
    """Orthonormal 2-D DCT-II basis of a square, fp32 [side^2, X, X], from low to high frequency."""
    steps_X = torch.arange(side, dtype=torch.float32)
    line_FX = torch.cos(math.pi * (steps_X + 0.5) * steps_X[:, None] / side) * math.sqrt(2 / side)
    line_FX[0] /= math.sqrt(2)
    plane = torch.einsum("ax,by->abxy", line_FX, line_FX).flatten(0, 1)
    order = sorted(range(side * side), key=lambda place: (place // side) ** 2 + (place % side) ** 2)
    return plane[order]


def stroke(side: int, x: float, y: float, angle: float, phase: float) -> Tensor:
    """A Gabor filter without mean and of norm 1 around (x, y) of a square, fp32 [X, X]."""
    down_X1, across_X = torch.arange(side)[:, None] - y, torch.arange(side) - x
    envelope_XX = torch.exp(-(across_X**2 + down_X1**2) / (2 * SPREAD**2))
    along_XX = across_X * math.cos(angle) + down_X1 * math.sin(angle)
    wave_XX = envelope_XX * torch.cos(2 * math.pi * along_XX / WAVE + phase)
    wave_XX = wave_XX - envelope_XX * (wave_XX.sum() / envelope_XX.sum())
    return wave_XX / wave_XX.norm()


def _filters(mlp: MLP, shape: config.ViT, basis_FXX: Tensor) -> None:
    """First MLP: each kind of stroke at PLACES x PLACES places, pooled two by two into the tower's width."""
    kinds = shape.mlp // PLACES**2
    mlp.fc2.weight.data.zero_()
    pooled = PLACES // 2
    for unit in range(kinds * PLACES**2):
        kind, row, column = unit // PLACES**2, unit // PLACES % PLACES, unit % PLACES
        x, y = ((place + 0.5) * shape.patch / PLACES - 0.5 for place in (column, row))
        angle, phase = math.pi * (kind // 2) / max(kinds // 2, 1), math.pi / 2 * (kind % 2)
        mlp.fc1.weight.data[unit] = 0.0
        mlp.fc1.weight.data[unit, : len(basis_FXX)] = (
            basis_FXX.flatten(1) @ stroke(shape.patch, x, y, angle, phase).flatten()
        )
        target = (kind * pooled + row // 2) * pooled + column // 2
        if target < shape.width:
            mlp.fc2.weight.data[target, unit] = POOL_GAIN
