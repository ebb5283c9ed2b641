"""The whole network: places of image tokens, batches without images, gradients to every part, low precision."""

from __future__ import annotations

import pytest
import torch

from lapis import config
from lapis.model import init
from lapis.model.vlm import Lapis
from tests.model.shared import MODEL, batch_of, random_tiles, random_tokens

PLACE = [MODEL.image_token] * 4


def model() -> Lapis:
    module = init.fresh(MODEL, 0)
    assert isinstance(module, Lapis)
    return module


def test_features_stand_where_the_placeholders_are() -> None:
    module = model()
    tokens = torch.tensor([[20, *PLACE, 21, *PLACE], [22, 23, 24, 25, 26, 27, *PLACE]])
    features = module.features(random_tiles(3))
    merged = module.merge(tokens, features)
    plain = module.decoder.embed(tokens)
    places = tokens == MODEL.image_token
    assert torch.equal(merged[places], features)
    assert torch.equal(merged[~places], plain[~places])


def test_places_and_features_must_be_as_many() -> None:
    module = model()
    with pytest.raises(ValueError, match="4 image places in the tokens, 8 image features"):
        module.merge(torch.tensor([[20, *PLACE]]), module.features(random_tiles(2)))


def test_a_batch_without_images_reaches_every_parameter() -> None:
    """No collective of a sharded run may hang on a rank without images."""
    module = model()
    output = module(batch_of(random_tokens(2, 8)))
    assert output.hidden_BTD is not None and output.features_VD.shape == (0, 64)
    module.decoder.logits(output.hidden_BTD).square().mean().backward()
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []


def test_image_tokens_see_only_their_document() -> None:
    module = model()
    tokens = torch.tensor([[20, *PLACE, 21, 22, *PLACE, 23]])
    documents = torch.tensor([[0] * 6 + [1] * 6])
    positions = torch.cat((torch.arange(6), torch.arange(6)))[None]
    tiles = random_tiles(2)
    packed = module(batch_of(tokens, tiles, documents, positions)).hidden_BTD
    alone = module(batch_of(tokens[:, 6:], tiles[1:])).hidden_BTD
    torch.testing.assert_close(packed[:, 6:], alone, rtol=1e-5, atol=1e-5)


def test_the_decoder_can_be_left_out() -> None:
    output = model()(batch_of(torch.tensor([[20, *PLACE]]), random_tiles(1)), decode=False)
    assert output.hidden_BTD is None and output.features_VD.shape == (4, 64)


def test_autocast_trains_every_part() -> None:
    module = model()
    batch = batch_of(torch.tensor([[20, *PLACE, 21, 22]]), random_tiles(1))
    exact = module(batch).hidden_BTD.detach()
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(batch).hidden_BTD
    rough.float().square().mean().backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in module.parameters())
    assert float((rough.detach().float() - exact).abs().max()) < 0.1 * float(exact.abs().max())


def test_the_config_follows_the_positions() -> None:
    module = model()
    assert module.config == MODEL
    module.decoder.set_yarn(config.Yarn(2, 4096))
    assert module.config.decoder.yarn == config.Yarn(2, 4096)
