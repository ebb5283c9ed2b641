"""Fresh weights, joining, and composing a model from tiny folders in the public formats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Siglip2VisionConfig,
    Siglip2VisionModel,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from lapis import chat, hub
from lapis.export import hf
from lapis.model import convert, init
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.types import InputError
from tests.model.shared import DECODER, MODEL, random_tiles

TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 14,
}
TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 280,
}


def test_a_seed_gives_the_same_weights_and_another_others() -> None:
    first, again, other = init.fresh(MODEL, 3), init.fresh(MODEL, 3), init.fresh(MODEL, 4)
    same = [torch.equal(x, y) for x, y in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.decoder.embedding.weight, other.decoder.embedding.weight)
    assert all(bool(parameter.isfinite().all()) for parameter in first.parameters())


def test_positions_tell_every_place_apart() -> None:
    positions = init.sine_cosine(18, 192)
    assert positions.shape == (324, 192)
    apart = torch.cdist(positions, positions) + 1e3 * torch.eye(324)
    assert float(apart.min()) > 0.5
    assert float((positions[0] - positions[1]).norm()) < float((positions[0] - positions[8]).norm())


def test_joining_keeps_the_decoder() -> None:
    text = init.fresh(DECODER, 0)
    assert isinstance(text, Decoder)
    whole = init.join(text, MODEL, 1)
    assert torch.equal(whole.decoder.layers[1].mlp.down.weight, text.layers[1].mlp.down.weight)
    with pytest.raises(InputError, match="^decoder: its shape is"):
        init.join(text, dataclasses.replace(MODEL, decoder=dataclasses.replace(DECODER, mlp=100)), 1)


def test_joining_can_begin_with_a_public_tower(tmp_path: Path) -> None:
    """Its positions are resized to the model's tiles; one of another shape is refused."""
    siglip(tmp_path)
    text = init.fresh(DECODER, 0)
    assert isinstance(text, Decoder)
    whole, tower = init.join(text, MODEL, 1, str(tmp_path)), convert.read_vit(tmp_path, MODEL.vit.tile)
    assert all(torch.equal(x, y) for x, y in zip(whole.vit.parameters(), tower.parameters(), strict=True))
    assert not torch.equal(whole.vit.patch.weight, init.join(text, MODEL, 1).vit.patch.weight)
    wider = dataclasses.replace(MODEL, vit=dataclasses.replace(MODEL.vit, mlp=96))
    with pytest.raises(InputError, match=r"its shape is ViT\(.*the model expects ViT\("):
        init.join(text, wider, 1, str(tmp_path))


def siglip(folder: Path) -> None:
    SiglipVisionModel(SiglipVisionConfig(**TOWER, image_size=70)).save_pretrained(folder)


def siglip_both(folder: Path) -> None:
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**TOWER, "image_size": 70}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)


def siglip2(folder: Path) -> None:
    Siglip2VisionModel(Siglip2VisionConfig(**TOWER, num_patches=25)).save_pretrained(folder, max_shard_size="20KB")


def text_folder(kind: str, folder: Path) -> None:
    torch.manual_seed(0)
    if kind == "qwen3":
        Qwen3ForCausalLM(Qwen3Config(**TEXT, head_dim=16, tie_word_embeddings=True)).save_pretrained(folder)
    elif kind == "qwen2":
        Qwen2ForCausalLM(Qwen2Config(**TEXT)).save_pretrained(folder, max_shard_size="50KB")
    else:
        LlamaForCausalLM(LlamaConfig(**TEXT)).save_pretrained(folder)
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(["where is the search field and the blue button"], trainer)
    raw.add_tokens(["<think>", "</think>"])
    raw.save(str(folder / "tokenizer.json"))


def composed(vision: Path, text: Path) -> tuple[Lapis, chat.Tokenizer]:
    model, raw = init.compose(str(vision), str(text), tile=56)
    return model, chat.Tokenizer(raw, model.config.tokens_per_tile)


@pytest.mark.parametrize("tower", [siglip, siglip_both, siglip2])
@pytest.mark.parametrize("kind", ["qwen3", "qwen2", "llama"])
def test_composes_and_exports(tower: object, kind: str, tmp_path: Path) -> None:
    assert callable(tower)
    vision, text = tmp_path / "vision", tmp_path / "text"
    tower(vision)
    text_folder(kind, text)
    model, tokenizer = composed(vision, text)
    assert model.config.vit.tile == 56 and model.config.image_token == tokenizer.id(chat.IMAGE) >= 270
    hf.write(model, tokenizer, tmp_path / "out")
    stock = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    assert stock.config.image_token_id == model.config.image_token
    again = convert.read(tmp_path / "out", torch.bfloat16)
    assert all(torch.equal(x, y) for x, y in zip(model.parameters(), again.parameters(), strict=True))
    assert model.features(random_tiles(1)).shape == (4, 64)


def test_new_tokens_get_rows_and_old_ones_stay(tmp_path: Path) -> None:
    siglip(tmp_path / "vision")
    text_folder("llama", tmp_path / "text")
    model, tokenizer = composed(tmp_path / "vision", tmp_path / "text")
    before = convert.read_decoder(tmp_path / "text", torch.bfloat16)
    learned = tokenizer.size - len(chat.SPECIALS) + 2
    assert model.config.decoder.vocab == max(280, tokenizer.size)
    assert tokenizer.id(chat.THINK) < learned
    for mine, old in ((model.decoder.embedding, before.embedding), (model.decoder.head, before.head)):
        assert torch.equal(mine.weight[:learned], old.weight[:learned])
        mean = old.weight[:learned].float().mean(0).to(torch.bfloat16)
        assert torch.equal(mine.weight[tokenizer.id(chat.IMAGE)], mean)
    assert tokenizer.encode("the <think> tag") != [tokenizer.id(chat.THINK)]
    assert tokenizer.id(chat.THINK) not in tokenizer.encode("the <think> tag")


def test_a_source_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    text_folder("qwen3", tmp_path / "text")
    with pytest.raises(InputError, match=r"no model there \(config\.json is missing\)$"):
        composed(tmp_path, tmp_path / "text")
    with pytest.raises(InputError, match=r"model_type is 'qwen3', expected a SigLIP or SigLIP2 model$"):
        composed(tmp_path / "text", tmp_path / "text")
    with pytest.raises(InputError, match=r"^no/such/folder: no such folder, and no name of a hub repository$"):
        hub.folder_of("no/such/folder")


def test_a_decoder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    siglip(tmp_path / "vision")
    text_folder("qwen3", tmp_path / "text")
    (tmp_path / "text" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json: no tokenizer there$"):
        composed(tmp_path / "vision", tmp_path / "text")
