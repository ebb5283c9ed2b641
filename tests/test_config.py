"""Recipes: ranges, overrides, the way to JSON and back."""

from __future__ import annotations

import dataclasses

import pytest

from lapis import config
from lapis.types import InputError
from tests.tiny import tiny_recipe


def test_a_recipe_survives_the_way_to_json() -> None:
    recipe = tiny_recipe()
    assert config.load(config.dump(recipe)) == recipe


def test_overrides_reach_every_depth() -> None:
    words = ["seed=7", "stages.text.optim.lr=0.5", "data.packages=false", "stages.text.mixture.caption=2", "dtype=fp32"]
    recipe = config.resolve(tiny_recipe(), words)
    text = recipe.stages[0]
    assert isinstance(text, config.Train)
    assert (recipe.seed, text.optim.lr, recipe.data.packages, recipe.dtype) == (7, 0.5, False, "fp32")
    assert text.mixture == {"prose": 1.0, "caption": 2.0}


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("seed", "seed: expected key=value"),
        ("sed=1", "sed: no such key"),
        ("stages.text.step=1", "stages.text.step: no such key"),
        ("stages.nope.steps=1", "no such key 'nope'"),
        ("stages=1", "stages"),
        ("seed=-1", "seed: "),
        ("stages.text.steps=-1", "stages.text.steps: "),
        ("stages.text.steps=many", "stages.text.steps: "),
        ("stages.text.optim.beta1=1.5", "stages.text.optim.beta1: "),
        ("stages.text.mixture.prose=-1", "stages.text.mixture.prose: "),
        ("model.decoder.yarn.factor=2", "'yarn' is off"),
        ("device=tpu", "device: "),
    ],
)
def test_a_wrong_word_is_one_line_that_names_it(word: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        config.resolve(tiny_recipe(), [word])
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_tokens_per_tile_pads_an_odd_grid() -> None:
    model = tiny_recipe().model
    odd = dataclasses.replace(model, vit=dataclasses.replace(model.vit, tile=378))
    assert (odd.vit.grid, odd.tokens_per_tile) == (27, 196)
