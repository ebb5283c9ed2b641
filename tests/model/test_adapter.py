"""The adapter against transformers' own projector, and its padding of odd grids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, Lfm2VlConfig
from transformers.models.lfm2_vl.modeling_lfm2_vl import Lfm2VlMultiModalProjector

from lapis import coherent, config
from lapis.export import hf
from lapis.model import convert, init
from lapis.model.adapter import Adapter, unshuffle
from lapis.model.vlm import Lapis
from lapis.train import stages
from lapis.types import InputError
from tests.model.shared import MODEL, random_tiles
from tests.tiny import tiny_recipe, tiny_tokenizer
from tests.train import world


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


class Pool(nn.Module):
    """The mean of four neighbours, made as wide as the decoder; with all that a module may have besides matrices."""

    def __init__(self, shape: config.Adapter, vit_width: int, decoder_width: int):
        super().__init__()
        self.head = nn.Linear(vit_width, decoder_width)
        self.gate = nn.Parameter(torch.ones(()))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.int64))
        self.register_buffer("two", torch.full((1,), 2.0), persistent=False)

    def forward(self, hidden_NPW: Tensor) -> Tensor:
        return self.gate * self.head(unshuffle(hidden_NPW, int(self.two)).unflatten(-1, (4, -1)).mean(-2))


class Wide(Pool):
    def forward(self, hidden_NPW: Tensor) -> Tensor:
        return self.head(hidden_NPW)


OWN = f"{__name__}:Pool"


def with_own(model: config.Model, kind: str = OWN) -> config.Model:
    return replace(model, adapter=replace(model.adapter, kind=kind))


def test_ones_own_begins_by_its_constructor_and_the_seed() -> None:
    first, again, other = (init.fresh(with_own(MODEL), seed) for seed in (0, 0, 1))
    assert isinstance(first.adapter, Pool) and first.adapter.gate.item() == 1.0
    assert torch.equal(first.adapter.head.weight, again.adapter.head.weight)
    assert not torch.equal(first.adapter.head.weight, other.adapter.head.weight)
    plain = init.fresh(MODEL, 0)
    assert torch.equal(first.vit.patch.weight, plain.vit.patch.weight)


def test_ones_own_goes_through_a_folder_and_is_not_taken_for_a_stock_model(tmp_path: Path) -> None:
    module = init.fresh(with_own(MODEL), 0)
    hf.write(module, tiny_tokenizer(), tmp_path / "model")
    again = convert.read(tmp_path / "model")
    assert isinstance(again, Lapis) and again.config == with_own(MODEL)
    assert all(
        torch.equal(x, y) for x, y in zip(module.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert torch.equal(module.features(random_tiles(2)), again.features(random_tiles(2)))
    assert OWN in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(ValueError, match="lapis"):
        AutoModelForImageTextToText.from_pretrained(tmp_path / "model")


def test_ones_own_is_trained_by_a_stage(tmp_path: Path) -> None:
    world.make_data(tmp_path)
    warm = world.stage("warm", "first", steps=2, mixture={"screen": 1.0}, trains=("adapter",))
    first = world.stage("first", steps=0, shape="full")
    recipe = replace(world.recipe(first, warm), model=with_own(world.MODEL))
    for entry in (first, warm):
        stages.run_entry(entry, recipe, tmp_path, world.Seen())
    before, after = (convert.read(tmp_path / name / "model") for name in ("first", "warm"))
    assert isinstance(after.adapter, Pool) and not torch.equal(after.adapter.head.weight, before.adapter.head.weight)
    assert torch.equal(after.vit.patch.weight, before.vit.patch.weight)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (f"{__name__}:Wide", r"tests\.model\.test_adapter:Wide gives \[1, 16, 32\] for a tile, expected \[1, 4, 32\]$"),
        ("os:system", r"'os:system' is no torch\.nn\.Module$"),
        ("nowhere.at:All", r"'nowhere\.at:All' cannot be imported"),
        ("Pool", r"'Pool', expected package\.module:name$"),
    ],
)
def test_what_cannot_stand_in_its_place_is_told_before_any_work(kind: str, said: str) -> None:
    recipe = tiny_recipe()
    coherent.check(replace(recipe, model=with_own(recipe.model)))
    with pytest.raises(InputError, match=rf"^model\.adapter\.kind: {said}"):
        coherent.check(replace(recipe, model=with_own(recipe.model, kind)))


def test_patches_are_named_only_by_an_adapter_that_can() -> None:
    recipe = config.resolve(tiny_recipe(), ["stages.sft.patch_weight=1"])
    with pytest.raises(InputError, match=r"^stages\.sft\.patch_weight: .*:Pool has no alone\(\), expected 0$"):
        coherent.check(replace(recipe, model=with_own(recipe.model)))
