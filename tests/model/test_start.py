"""The written-down start of a ViT: an orthonormal transform, filters that find strokes, faint positions."""

from __future__ import annotations

import math

import torch

from lapis import config
from lapis.model import start
from lapis.model.init import fresh
from lapis.model.vit import normalise, patchify

MODEL = config.Model(
    config.ViT(width=192, layers=2, heads=3, mlp=768),
    config.Adapter(64),
    config.Decoder(64, 1, 2, 1, 32, 64, 300),
)


def test_cosines_are_orthonormal() -> None:
    basis = start.cosines(14).flatten(1)
    assert torch.allclose(basis @ basis.T, torch.eye(196), atol=1e-5)


def test_patch_embedding_keeps_the_picture() -> None:
    """From 192 of 196 coefficients the brightness comes back nearly whole, its mean apart."""
    vit = fresh(MODEL, 0).vit
    patches = torch.rand(5, 14, 14, 1).expand(-1, -1, -1, 3)
    coefficients = patches.flatten(1) @ vit.patch.weight.T
    back = coefficients[:, 1:] @ start.cosines(14)[1:192].flatten(1)
    plain = patches[..., 0].flatten(1)
    wanted = plain - plain.mean(1, keepdim=True)
    assert (back - wanted).norm() / wanted.norm() < 0.2


def test_a_stroke_answers_to_its_own_direction() -> None:
    flat = start.stroke(14, 6.5, 6.5, math.pi / 2, 0.0)
    line = torch.zeros(14, 14)
    line[6:8] = 1.0
    assert abs(float(flat.sum())) < 1e-5 and math.isclose(float(flat.norm()), 1.0, rel_tol=1e-5)
    assert float((flat * line).sum()) > 3 * abs(float((flat * line.T).sum()))


def test_first_layer_feels_a_shifted_stroke_alike() -> None:
    """A stroke moved by one pixel changes the first layer's answer less than the pixels change."""
    layer, vit = fresh(MODEL, 0).vit.layers[0], fresh(MODEL, 0).vit
    tiles = torch.full((2, 252, 252, 3), 255, dtype=torch.uint8)
    tiles[0, 5:8, 2:12] = tiles[1, 6:9, 2:12] = 0
    pixels = normalise(patchify(tiles, 14), torch.float32)[:, 0]
    with torch.no_grad():
        answers = layer.mlp(layer.norm2(vit.patch(pixels)))
    same = torch.cosine_similarity
    assert same(answers[0], answers[1], dim=0) > same(pixels[0] - 1, pixels[1] - 1, dim=0)
