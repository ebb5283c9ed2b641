"""Exported folders in stock transformers: same logits for text and tiles, same prompt ids, YaRN, and failures."""

from __future__ import annotations

import dataclasses
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    Lfm2VlForConditionalGeneration,
    Qwen3ForCausalLM,
)

import lapis
from lapis import chat, config, types
from lapis.data.tokenise import train_tokenizer
from lapis.export import hf
from lapis.model import convert, init
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.types import InputError, Text, Turn
from tests.model.shared import DECODER, MODEL, batch_of, random_tokens

SENTENCES = (
    "Where is the search field?\nIt is at (123,045).",
    "最便宜的多少钱?42 元。",
    "What is 12 + 30? 42!\n\nWell.",
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    return train_tokenizer(SENTENCES, DECODER.vocab, folder, MODEL.tokens_per_tile)


def whole(shape: config.Model = MODEL) -> Lapis:
    module = init.fresh(shape, 0)
    assert isinstance(module, Lapis)
    return module.eval()


def text(shape: config.Decoder = DECODER) -> Decoder:
    module = init.fresh(shape, 0)
    assert isinstance(module, Decoder)
    return module.eval()


def screen(width: int, height: int) -> types.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return types.Image(buffer.getvalue(), width, height)


def logits_of(module: Lapis, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Ours, from the processor's own inputs, by way of raw tiles."""
    tiles = torch.zeros(0, 56, 56, 3, dtype=torch.uint8)
    if "pixel_values" in inputs:
        patches = ((inputs["pixel_values"] + 1) * 127.5).round().to(torch.uint8)
        tiles = patches.view(-1, 4, 4, 14, 14, 3).transpose(2, 3).reshape(-1, 56, 56, 3)
    output = module(batch_of(inputs["input_ids"], tiles))
    assert output.hidden_BTD is not None
    return module.decoder.logits(output.hidden_BTD)


CONVERSATIONS = {
    "text": (Turn("user", (Text("What is 12 + 30?"),)),),
    "one tile and thumbnail": (Turn("user", (screen(50, 40), Text("Where is it?"))),),
    "several tiles": (Turn("user", (screen(112, 140), Text("Where is it?"))),),
    "two images": (
        Turn("user", (screen(56, 56), Text("and"), screen(170, 60), Text("?"))),
        Turn("assistant", (Text("42"),)),
        Turn("user", (Text("Where?"),)),
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_stock_transformers_gives_the_same_logits(name: str, tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    module = whole()
    hf.write(module, tokenizer, tmp_path / "model")
    stock, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert isinstance(stock, Lfm2VlForConditionalGeneration)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    inputs = lapis.Processor.from_folder(tmp_path / "model")(CONVERSATIONS[name])
    torch.testing.assert_close(logits_of(module, inputs), stock(**inputs).logits, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_stock_generation_follows_ours(tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    module = whole()
    hf.write(module, tokenizer, tmp_path / "model")
    stock = AutoModelForImageTextToText.from_pretrained(tmp_path / "model")
    inputs = lapis.Processor.from_folder(tmp_path / "model")(CONVERSATIONS["several tiles"])
    written = stock.generate(**inputs, max_new_tokens=8, do_sample=False, eos_token_id=-1)
    mine = dict(inputs)
    for _ in range(8):
        new = logits_of(module, mine)[:, -1:].argmax(-1)
        mine["input_ids"] = torch.cat((mine["input_ids"], new), 1)
    assert torch.equal(written, mine["input_ids"])


@pytest.mark.parametrize("anyres", [config.AnyRes(), config.AnyRes(2, 3, 0.2, "several")])
def test_the_config_is_read_back(anyres: config.AnyRes, tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    decoder = dataclasses.replace(DECODER, yarn=config.Yarn(8, 512, 24.0, 2.0), rope_theta=50000.0, tied=False)
    shape = dataclasses.replace(MODEL, decoder=decoder, anyres=anyres)
    hf.write(whole(shape), tokenizer, tmp_path / "model")
    assert convert.config_of(tmp_path / "model") == shape


@torch.no_grad()
@pytest.mark.parametrize(
    "change",
    [{}, {"yarn": config.Yarn(4, 64), "max_positions": 256}, {"qk_norm": False}, {"qk_norm": False, "qkv_bias": True}],
    ids=["qwen3", "yarn", "llama", "qwen2"],
)
def test_text_models_load_as_their_family(change: dict[str, object], tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    module = text(dataclasses.replace(DECODER, **change))
    hf.write(module, tokenizer, tmp_path / "model")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert isinstance(stock, Qwen3ForCausalLM) == module.config.qk_norm
    tokens = random_tokens(2, 90)
    mine = module.logits(module(module.embed(tokens), torch.arange(90).expand(2, -1)))
    torch.testing.assert_close(mine, stock(tokens).logits, rtol=1e-4, atol=1e-4)
    again = convert.read(tmp_path / "model")
    assert again.config == module.config
    assert all(torch.equal(x, y) for x, y in zip(module.parameters(), again.parameters(), strict=True))


def test_weights_keep_their_dtype(tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    hf.write(whole().bfloat16(), tokenizer, tmp_path / "model")
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "model").dtype == torch.bfloat16
    assert {parameter.dtype for parameter in convert.read(tmp_path / "model").parameters()} == {torch.float32}


TALKS = [
    [("user", "What is 12 + 30?")],
    [("system", "Be brief.\n"), ("user", "最便宜的多少钱?\n"), ("assistant", "42 元。"), ("user", "  Why?!\n\n")],
    [("user", "call"), ("assistant", "ok"), ("tool", '{"x": 1}'), ("user", "and?")],
]


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize(("think", "budget"), [(False, None), (True, None), (True, 0), (True, 128)])
def test_the_stock_tokenizer_renders_the_same_ids(
    talk: list[tuple[str, str]], think: bool, budget: int | None, tokenizer: chat.Tokenizer, tmp_path: Path
) -> None:
    hf.write(text(), tokenizer, tmp_path / "model")
    stock = AutoTokenizer.from_pretrained(tmp_path / "model")
    rendered = stock.apply_chat_template(
        [{"role": role, "content": content} for role, content in talk],
        add_generation_prompt=True,
        enable_thinking=think,
        thinking_token_budget=budget,
        return_dict=True,
    )["input_ids"]
    turns = [Turn(role, (Text(content),)) for role, content in talk]
    assert rendered == chat.encode_prompt(turns, think, budget, tokenizer, lambda image: 1).ids
    assert stock.eos_token_id == tokenizer.id(chat.END) and stock.pad_token_id == tokenizer.id(chat.PAD)


def test_an_older_folder_is_replaced_whole(tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    hf.write(text(), tokenizer, folder)
    (folder / "stale.safetensors").write_text("old")
    hf.write(text(), tokenizer, folder)
    assert not (folder / "stale.safetensors").exists() and (folder / "README.md").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("there", ["notes.txt", "config.json", "weights.safetensors"])
def test_nothing_but_a_model_is_replaced(there: str, tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    """A folder of other things, a run's folder, a file."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / there).write_text("mine")
    for place in (folder, folder / there):
        with pytest.raises(InputError, match="is no model, so it is not replaced"):
            hf.write(text(), tokenizer, place)
    assert [path.name for path in tmp_path.rglob("*")] == ["docs", there] and (folder / there).read_text() == "mine"
    hf.write(text(), tokenizer, tmp_path / "empty")


def test_a_full_disk_leaves_the_older_folder(
    tokenizer: chat.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    hf.write(text(), tokenizer, folder)
    before = (folder / "model.safetensors").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hf, "save_torch_state_dict", full)
    with pytest.raises(InputError, match=r"model: could not be written \(.*No space left on device\)$"):
        hf.write(init.fresh(DECODER, 1), tokenizer, folder)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_odd_grid_is_refused(tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    odd = dataclasses.replace(MODEL, vit=dataclasses.replace(MODEL.vit, tile=70))
    with pytest.raises(InputError, match="^tile: 5 patches a side is odd"):
        hf.write(whole(odd), tokenizer, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@torch.no_grad()
def test_the_readme_of_the_folder_works(
    tokenizer: chat.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (whole(), text()):
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        hf.write(module, tokenizer, tmp_path / "model")
        (tmp_path / "model" / "screen.png").write_bytes(screen(90, 60).data)
        monkeypatch.chdir(tmp_path / "model")
        example = (tmp_path / "model" / "README.md").read_text().split("```python\n")[1].split("```")[0]
        exec(compile(example, "README.md", "exec"), {})
        assert capsys.readouterr().out
