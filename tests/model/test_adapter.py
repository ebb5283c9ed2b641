"""The adapter against transformers' own projector, and its padding of odd grids."""

from __future__ import annotations

import pytest
import torch
from transformers import Lfm2VlConfig
from transformers.models.lfm2_vl.modeling_lfm2_vl import Lfm2VlMultiModalProjector

from lapis import config
from lapis.model.adapter import Adapter, unshuffle


@pytest.mark.parametrize("shuffle", [2, 3])
def test_equals_the_stock_projector(shuffle: int) -> None:
    torch.manual_seed(0)
    raw = Lfm2VlConfig(
        vision_config={"model_type": "siglip2_vision_model", "hidden_size": 8},
        text_config={"model_type": "qwen3", "hidden_size": 12},
        projector_hidden_size=10,
        projector_use_layernorm=False,
        projector_hidden_act="gelu_pytorch_tanh",
        downsample_factor=shuffle,
    )
    stock, ours = Lfm2VlMultiModalProjector(raw), Adapter(config.Adapter(10, shuffle), 8, 12)
    ours.load_state_dict({k.replace("linear_", "fc"): v for k, v in stock.state_dict().items()})
    hidden = torch.randn(2, 36, 8)
    expected = stock(hidden.view(2, 6, 6, 8)).flatten(1, 2)
    torch.testing.assert_close(ours(hidden), expected)


def test_an_odd_grid_is_padded_with_zeros_below_and_right() -> None:
    hidden = torch.arange(1.0, 10.0).view(1, 9, 1)
    squares = unshuffle(hidden, 2)
    assert squares[0].tolist() == [[1, 2, 4, 5], [3, 0, 6, 0], [7, 8, 0, 0], [9, 0, 0, 0]]


def test_a_27_grid_gives_196_tokens() -> None:
    assert unshuffle(torch.zeros(1, 729, 2), 2).shape == (1, 196, 8)


def test_a_patch_alone_is_the_adapter_with_the_others_zero() -> None:
    torch.manual_seed(0)
    adapter, hidden = Adapter(config.Adapter(10), 8, 12), torch.randn(2, 16, 8)
    alone = adapter.alone(hidden)
    for patch, token, place in ((0, 0, 0), (1, 0, 1), (4, 0, 2), (15, 3, 3)):
        single = torch.zeros_like(hidden)
        single[:, patch] = hidden[:, patch]
        torch.testing.assert_close(alone[:, token, place], adapter(single)[:, token])
