"""Forms of low precision: grids against their definition, who is rounded, what an engine makes of them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from lapis import config
from lapis.export import quantise
from lapis.export.quantise import Forms, Rounded, grid, on_grid, quantised, rounded_inputs, rounded_rows
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine
from lapis.types import InputError, Request, Text, Turn
from tests.serve.small import byte_tokenizer, small_shape, spread

PLAIN = Forms(vit="fp32", decoder="fp32", kv="fp32")


def shape() -> config.Model:
    """Widths of whole groups, but for the MLP's 48 inputs, which are none."""
    small = small_shape()
    vit = dataclasses.replace(small.vit, width=32, mlp=64)
    return dataclasses.replace(small, vit=vit, adapter=config.Adapter(hidden=64))


@pytest.fixture(scope="module")
def model() -> Lapis:
    torch.manual_seed(3)
    return spread(Lapis(shape()))


def hidden(decoder: nn.Module, tokens: int = 12) -> torch.Tensor:
    torch.manual_seed(0)
    return decoder(torch.randn(1, tokens, 32), torch.arange(tokens)[None])


def test_weights_lie_on_the_nearest_of_sixteen_steps_of_their_group() -> None:
    weight = torch.randn(6, 64)
    whole, step = grid(weight, 4, 32)
    assert whole.min() >= -8 and whole.max() <= 7 and step.shape == (6, 2)
    for output in range(6):
        for group in range(2):
            part = weight[output, 32 * group : 32 * group + 32]
            size = float(part.abs().max()) / 7.5
            steps = size * torch.arange(-8, 8)
            nearest = (part[:, None] - steps).abs().amin(1)
            found = on_grid(weight, 4, 32)[output, 32 * group : 32 * group + 32]
            torch.testing.assert_close((part - found).abs(), nearest, rtol=0, atol=1e-5)


def test_inputs_are_rounded_by_token_between_least_and_largest_with_zero_kept() -> None:
    x = torch.randn(5, 40) * torch.logspace(-3, 3, 5)[:, None] + 0.5
    x[:, 0] = 0
    out = rounded_inputs(x)
    span = x.amax(1).clamp_min(0) - x.amin(1).clamp_max(0)
    assert ((out - x).abs().amax(1) <= span / 255 * 1.001).all()
    assert (out[:, 0] == 0).all()
    assert all(len(row.unique()) <= 256 for row in out)


def test_a_row_of_zeros_stays_zero() -> None:
    zeros = torch.zeros(2, 32)
    for made in (rounded_rows(zeros), rounded_inputs(zeros), on_grid(zeros, 4, 32)):
        assert torch.equal(made, zeros)


def test_each_option_rounds_its_part_and_no_other(model: Lapis) -> None:
    tiles = torch.randint(0, 255, (2, 56, 56, 3), dtype=torch.uint8)
    plain = quantised(model, PLAIN)
    torch.testing.assert_close(plain.features(tiles), model.features(tiles), rtol=0, atol=0)
    torch.testing.assert_close(hidden(plain.decoder), hidden(model.decoder))
    seen = quantised(model, dataclasses.replace(PLAIN, vit="int8"))
    assert not torch.equal(seen.features(tiles), model.features(tiles))
    torch.testing.assert_close(hidden(seen.decoder), hidden(model.decoder))
    for name, bits in (("decoder", "int8"), ("decoder", "int4"), ("kv", "int8")):
        other = quantised(model, dataclasses.replace(PLAIN, **{name: bits}))
        assert torch.equal(other.features(tiles), model.features(tiles))
        assert not torch.allclose(hidden(other.decoder), hidden(model.decoder), atol=1e-4)


def test_fewer_bits_are_farther_off(model: Lapis) -> None:
    def off(forms: Forms) -> float:
        decoder = quantised(model, forms).decoder
        return float((decoder.logits(hidden(decoder)) - model.decoder.logits(hidden(model.decoder))).norm())

    kv, eight, four = (
        off(dataclasses.replace(PLAIN, **how)) for how in ({"kv": "int8"}, {"decoder": "int8"}, {"decoder": "int4"})
    )
    assert 0 < kv < eight < four


def test_a_matrix_that_is_no_whole_groups_is_int8(model: Lapis) -> None:
    layer = quantised(model, Forms()).decoder.layers[0]
    assert isinstance(layer.mlp.down, Rounded) and isinstance(layer.mlp.gate_up, Rounded)
    down, up = model.decoder.layers[0].mlp.down.weight, model.decoder.layers[0].mlp.gate_up.weight
    assert down.shape[1] == 48 and up.shape[1] == 32
    torch.testing.assert_close(layer.mlp.down.weight.data, on_grid(down, 8, 48))
    torch.testing.assert_close(layer.mlp.gate_up.weight.data, on_grid(up, 4, 32))


def test_the_cache_of_an_engine_holds_what_int8_says(model: Lapis) -> None:
    """What the engine writes with its paged cache is what the decoder gives over the whole text at once."""
    tokenizer = byte_tokenizer()
    rounded = quantised(model, dataclasses.replace(PLAIN, kv="int8"))
    request = Request((Turn("user", (Text("a longer question?"),)),), max_tokens=12)
    found = Engine(rounded, tokenizer, slots=2, length=128).generate([request])[0]
    ids = torch.tensor([[*found.prompt_ids, *found.token_ids]])
    decoder = rounded.decoder
    scores = decoder.logits(decoder(decoder.embed(ids), torch.arange(ids.shape[1])[None]))[0].log_softmax(-1)
    first = len(found.prompt_ids) - 1
    told = [float(scores[first + at, token]) for at, token in enumerate(found.token_ids)]
    torch.testing.assert_close(torch.tensor(told), torch.tensor(found.logprobs), rtol=1e-3, atol=1e-3)
    kept = Engine(rounded, tokenizer, slots=2, length=128)
    kept.generate([request])
    keys = kept.cache.k[0][0].unflatten(-1, (-1, 8))[:, : len(found.prompt_ids)]
    step = keys.abs().amax(-1, keepdim=True) / 127
    assert (((keys / step) - (keys / step).round()).abs() < 1e-2).all()


def test_the_model_itself_is_left_alone(model: Lapis) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quantised(model, Forms())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_text_model_has_forms_too(model: Lapis) -> None:
    made = quantised(model.decoder, Forms())
    assert isinstance(made, Decoder) and isinstance(made.out, Rounded)


def test_a_group_that_no_kernel_takes_is_refused() -> None:
    with pytest.raises(InputError, match="group: 24"):
        Forms(group=24)


def test_every_linear_layer_is_found(model: Lapis) -> None:
    found = {name for _, name, _ in quantise.linears(model)}
    assert found == {"patch", "qkv", "out", "fc1", "fc2", "gate_up", "down"}
