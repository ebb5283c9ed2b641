"""Parity of the tower with transformers' SigLIP (its convolution and all) and SigLIP2, with gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import Siglip2VisionConfig, Siglip2VisionModel, SiglipVisionConfig, SiglipVisionModel

from lapis.model import convert, init, vit
from lapis.model.vlm import Lapis
from lapis.types import InputError
from tests.model.shared import MODEL, random_tiles

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 14,
}


def siglip(folder: Path) -> SiglipVisionModel:
    torch.manual_seed(0)
    stock = SiglipVisionModel(SiglipVisionConfig(**SIZES, image_size=56)).eval()
    stock.save_pretrained(folder)
    return stock


def pixels_of(tiles_NSS3: Tensor) -> Tensor:
    return (tiles_NSS3.float() / 255 - 0.5).div(0.5).permute(0, 3, 1, 2)


def test_features_and_gradients_equal_siglip(tmp_path: Path) -> None:
    stock, ours = siglip(tmp_path), convert.read_vit(tmp_path)
    tiles = random_tiles(3)
    expected, mine = stock(pixels_of(tiles)).last_hidden_state, ours(tiles)
    torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(1))
    (expected * weight).sum().backward()
    (mine * weight).sum().backward()
    gradients = {name: parameter.grad for name, parameter in stock.named_parameters()}
    for name, parameter in ours.named_parameters():
        found = torch.cat([gradients[key] for key in convert.theirs(name, convert.VIT)])
        expected_gradient = convert.flatten_convolution(found) if name == "patch.weight" else found
        torch.testing.assert_close(parameter.grad, expected_gradient, rtol=1e-3, atol=1e-4, msg=name)


@torch.no_grad()
def test_features_equal_siglip2(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stock = Siglip2VisionModel(Siglip2VisionConfig(**SIZES, num_patches=16)).eval()
    stock.save_pretrained(tmp_path)
    ours, tiles = convert.read_vit(tmp_path), random_tiles(2)
    patches = vit.patchify(pixels_of(tiles).permute(0, 2, 3, 1), 14)
    expected = stock(patches, torch.ones(2, 16, dtype=torch.long), torch.full((2, 2), 4)).last_hidden_state
    torch.testing.assert_close(ours(tiles), expected, rtol=1e-5, atol=1e-5)


def test_positions_are_resized_to_the_tile(tmp_path: Path) -> None:
    stock = siglip(tmp_path)
    ours = convert.read_vit(tmp_path, tile=84)
    assert ours.config.grid == 6 and ours.positions.weight.shape == (36, 32)
    smooth = torch.linspace(-1, 1, 16)[:, None].expand(16, 2)
    assert torch.equal(convert.resize_positions(smooth, 4), smooth)
    square = stock.embeddings.position_embedding.weight.detach().T.reshape(1, 32, 4, 4)
    expected = torch.nn.functional.interpolate(square, size=(6, 6), mode="bicubic", antialias=True)
    torch.testing.assert_close(ours.positions.weight.detach(), expected.flatten(2)[0].T)


def test_a_tile_that_patches_do_not_fill_is_refused(tmp_path: Path) -> None:
    siglip(tmp_path)
    with pytest.raises(InputError, match="^tile: 60 px is no multiple of the tower's 14 px patches"):
        convert.read_vit(tmp_path, tile=60)


def test_patches_are_in_reading_order() -> None:
    tiles = torch.arange(28 * 28 * 3, dtype=torch.int32).view(1, 28, 28, 3)
    patches = vit.patchify(tiles, 14)
    assert torch.equal(patches[0, 1], tiles[0, :14, 14:].reshape(-1))
    assert torch.equal(patches[0, 2], tiles[0, 14:, :14].reshape(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_tiles_run_the_same_path(dtype: torch.dtype) -> None:
    model = init.fresh(MODEL, 0)
    assert isinstance(model, Lapis)
    features = model.to(dtype).features(random_tiles(0))
    assert features.shape == (0, 64)
    features.float().sum().backward()
    assert all(parameter.grad is not None for parameter in model.vit.parameters())
