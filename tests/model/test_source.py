"""What a run begins with: shapes and weights of tiny folders in public form, and what does not fit told in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models

from lapis import chat, cli, coherent, config, verbs
from lapis.export import hf
from lapis.model import convert, init, source
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.recipes import pocket, tune
from lapis.types import InputError
from tests.model.test_init import siglip, text_folder


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tower with patches of 14 px, a decoder of each family, and a whole model composed of two of them."""
    root = tmp_path_factory.mktemp("public")
    siglip(root / "tower")
    for kind in ("qwen3", "qwen2", "llama"):
        text_folder(kind, root / kind)
    model, raw = init.compose(str(root / "tower"), str(root / "qwen3"), tile=56)
    hf.write(model, chat.Tokenizer(raw, model.config.tokens_per_tile), root / "whole")
    return root


def begun(public: Path, decoder: str, *words: str, vision: str = "tower") -> config.Recipe:
    """The recipe `tune` from these weights, as the command line has it."""
    tower = [f"stages.start.vision={public / vision}"] if vision else []
    fields = [f"start={public / decoder}", *tower, *words]
    return verbs.recipe_of(cli.parse(["run", "tune", "--smoke", *fields]))


@pytest.mark.parametrize("kind", ["qwen3", "qwen2", "llama"])
def test_shapes_are_those_of_the_weights(public: Path, kind: str) -> None:
    recipe = begun(public, kind)
    coherent.check(recipe)
    raw, first = chat.special_tokenizer(public / kind)
    shape, text = recipe.model, convert.config_of(public / kind)
    assert isinstance(text, config.Decoder)
    assert shape.decoder == replace(text, vocab=max(text.vocab, chat.size_of(raw))) == recipe.teacher
    assert (shape.vit.width, shape.vit.layers, shape.vit.tile, shape.adapter.hidden) == (32, 2, 392, 64)
    assert shape.image_token == raw.token_to_id(chat.IMAGE) >= first


def test_a_tile_is_an_even_number_of_the_towers_patches(public: Path) -> None:
    assert begun(public, "qwen3", "model.vit.tile=100").model.vit.tile == 100
    assert source.fitted(begun(public, "qwen3", "model.vit.tile=100")).model.vit.tile == 112


def test_a_whole_model_brings_all_its_shapes(public: Path) -> None:
    """Its tiling too, which the user may change: no weight depends on it."""
    recipe, shape = begun(public, "whole", vision=""), convert.config_of(public / "whole")
    assert recipe.model == shape
    wider = begun(public, "whole", "model.anyres.columns=2", vision="")
    coherent.check(wider)
    module = source.read(wider, public / "whole")
    assert isinstance(module, Lapis) and module.config == wider.model != shape
    before = convert.read(public / "whole")
    assert all(torch.equal(x, y) for x, y in zip(module.parameters(), before.parameters(), strict=True))


def test_weights_are_the_public_ones_and_the_adapter_is_drawn(public: Path, tmp_path: Path) -> None:
    recipe, text = begun(public, "qwen2"), convert.read_decoder(public / "qwen2")
    raw, first = chat.special_tokenizer(public / "qwen2")
    raw.save(str(tmp_path / "tokenizer.json"))
    module = source.read(recipe, tmp_path)
    assert isinstance(module, Lapis) and module.config == recipe.model
    tower = convert.read_vit(public / "tower", 392)
    assert all(torch.equal(x, y) for x, y in zip(module.vit.parameters(), tower.parameters(), strict=True))
    pairs = zip(module.decoder.layers.parameters(), text.layers.parameters(), strict=True)
    assert all(torch.equal(x, y) for x, y in pairs)
    rows = module.decoder.embedding.weight
    assert torch.equal(rows[:first], text.embedding.weight[:first])
    torch.testing.assert_close(rows[recipe.model.image_token], text.embedding.weight[:first].mean(0))
    other = source.read(replace(recipe, seed=1), tmp_path)
    assert isinstance(other, Lapis) and not torch.equal(other.adapter.fc1.weight, module.adapter.fc1.weight)


def test_a_decoder_alone_stays_one_until_a_stage_joins(public: Path, tmp_path: Path) -> None:
    recipe = begun(public, "llama", vision="")
    with pytest.raises(InputError, match=r"^stages\.start\.vision: empty, but .* is a text decoder"):
        coherent.check(recipe)
    joined = config.Join("join", "start", str(public / "tower"))
    begin, alone, *rest = recipe.stages
    whole = replace(recipe, stages=(begin, joined, replace(alone, parent="join"), *rest))
    vit = convert.read_vit(public / "tower", 56).config
    whole = replace(whole, model=replace(whole.model, vit=vit))
    coherent.check(whole)
    raw, _ = chat.special_tokenizer(public / "llama")
    raw.save(str(tmp_path / "tokenizer.json"))
    text = source.read(whole, tmp_path)
    assert isinstance(text, Decoder)
    assert init.join(text, whole.model, 0, joined.vision).config == whole.model


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model.decoder.width=48", r"^model\.decoder\.width: 48, but .*qwen3 with .*tower has 64$"),
        ("model.decoder.rope_theta=7", r"^model\.decoder\.rope_theta: 7\.0, but .* has 10000\.0$"),
        ("model.decoder.vocab=270", r"^model\.decoder\.vocab: 270, but .* has 28\d$"),
        ("model.vit.layers=3", r"^model\.vit\.layers: 3, but .* has 2$"),
        ("model.vit.tile=70", r"^model\.vit\.tile: 70, expected a multiple of 28"),
        ("model.image_token=10", r"^model\.image_token: 10, but .* has 28\d$"),
    ],
)
def test_another_shape_is_told_with_both_numbers(public: Path, word: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        coherent.check(begun(public, "qwen3", word))


def sentences(folder: Path) -> None:
    """A tokenizer in the manner of Llama 2, which marks spaces and knows no bytes."""
    raw = Tokenizer(models.BPE(vocab={"▁": 0, "a": 1}, merges=[]))
    raw.decoder = decoders.Metaspace()
    raw.save(str(folder / "tokenizer.json"))


def test_what_cannot_be_begun_with_is_one_line(public: Path, tmp_path: Path) -> None:
    whole = begun(public, "whole", vision="")
    with pytest.raises(InputError, match=r"^vision: .*tower, but .*whole has a tower already"):
        begun(public, "whole")
    with pytest.raises(InputError, match=r"^start: .*but no stage of pocket begins with it; `tune` has one$"):
        coherent.check(replace(pocket.recipe(), start=whole.start))
    with pytest.raises(InputError, match=r"^start: empty, for start; expected a folder or hub name"):
        coherent.check(tune.recipe())
    with pytest.raises(InputError, match=r"^no/such/folder: no such folder"):
        verbs.recipe_of(cli.parse(["run", "tune", "start=no/such/folder"]))
    text_folder("qwen3", tmp_path / "text")
    sentences(tmp_path / "text")
    with pytest.raises(
        InputError, match=r"tokenizer\.json: no byte-level BPE \(as of Qwen and Llama 3\), expected one"
    ):
        begun(tmp_path, "text", vision="")


def test_a_tokenizer_that_changed_since_is_told(public: Path, tmp_path: Path) -> None:
    tree = json.loads((public / "whole" / "tokenizer.json").read_text())
    tree["added_tokens"][-1]["lstrip"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    with pytest.raises(InputError, match="its tokenizer is not the one that the data stage took"):
        source.read(begun(public, "whole", vision=""), tmp_path)


def test_llama3s_positions_are_not_scaled_twice(public: Path, tmp_path: Path) -> None:
    text_folder("llama", tmp_path / "text")
    path = tmp_path / "text" / "config.json"
    tree = json.loads(path.read_text())
    scaled = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    path.write_text(json.dumps(tree | {"rope_parameters": scaled | {"original_max_position_embeddings": 64}}))
    recipe = source.fitted(replace(begun(public, "llama"), start=str(tmp_path / "text")))
    assert recipe.model.decoder.llama3 == config.Llama3(8.0, 64)
    coherent.check(recipe)
    *before, last = recipe.stages
    stretched = replace(recipe, stages=(*before, replace(last, yarn=config.Yarn(8.0, 64))))
    with pytest.raises(InputError, match=r"^stages\.sft\.yarn: .* has Llama 3's scaled positions, expected none$"):
        coherent.check(stretched)
