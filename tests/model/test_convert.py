"""Folders in Hugging Face's form: what is read, and what each broken one says in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from lapis import config
from lapis.model import convert, init, shapes
from lapis.model.decoder import Decoder
from lapis.types import InputError
from tests.model.shared import DECODER, MODEL

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "vocab_size": 60,
    "head_dim": 16,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""Llama 3.2's."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=True)).save_pretrained(tmp_path)
    return tmp_path


def change(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_shards_with_an_index_read_as_one_file(folder: Path, tmp_path: Path) -> None:
    whole = convert.read(folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, where = sorted(state), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name] for name in part}, folder / file)
        where.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    again = convert.read(folder)
    assert all(torch.equal(x, y) for x, y in zip(whole.parameters(), again.parameters(), strict=True))
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match=r"model-00002-of-00002\.safetensors: weight file is missing$"):
        convert.read(folder)


@pytest.mark.parametrize("shape", [MODEL, DECODER], ids=["whole", "text"])
def test_names_go_both_ways(shape: config.Model | config.Decoder) -> None:
    module, other = init.fresh(shape, 0), init.fresh(shape, 1)
    state = convert.to_hf(module)
    convert.from_hf(other, state.__getitem__, convert._parts(other), torch.float32)
    assert all(torch.equal(x, y) for x, y in zip(module.parameters(), other.parameters(), strict=True))


def test_old_rope_fields_are_read(folder: Path) -> None:
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
    change(folder, rope_parameters=None, rope_theta=5000.0, rope_scaling=scaling)
    shape = convert.config_of(folder)
    assert isinstance(shape, config.Decoder)
    assert (shape.rope_theta, shape.yarn) == (5000.0, config.Yarn(4.0, 1024))


def test_llama3s_rope_goes_through_old_and_new_fields(folder: Path) -> None:
    """As Llama 3.1 and 3.2 are published, and as transformers 5 writes it; a folder of ours keeps it."""
    change(folder, rope_parameters=None, rope_theta=500000.0, rope_scaling=LLAMA3)
    shape = convert.config_of(folder)
    assert isinstance(shape, config.Decoder)
    assert (shape.rope_theta, shape.yarn, shape.llama3) == (500000.0, None, config.Llama3(32.0, 8192))
    written = shapes.decoder_json(shape, "float32", {})
    assert written["rope_parameters"] == LLAMA3 | {"rope_theta": 500000.0}
    assert shapes.decoder_of(written, "again") == shape


def test_a_decoder_reads_out_of_a_larger_folder(folder: Path) -> None:
    assert isinstance(convert.read_decoder(folder), Decoder)
    llama = LlamaForCausalLM(LlamaConfig(**SIZES))
    llama.save_pretrained(folder)
    shape = convert.config_of(folder)
    assert isinstance(shape, config.Decoder) and not shape.qk_norm and not shape.tied


def drop_tensor(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, folder / "model.safetensors")


def truncate(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), r"no model there \(config\.json is missing\)"),
    "no json": (lambda folder: (folder / "config.json").write_text("{"), "no JSON"),
    "a list": (lambda folder: (folder / "config.json").write_text("[]"), "expected a JSON object"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), r"no model there \(no safetensors file\)"),
    "only a pickle": (only_pickle, r"pytorch_model\.bin: pickled weights are not read; expected safetensors"),
    "a tensor missing": (drop_tensor, r"tensor model\.layers\.1\.mlp\.up_proj\.weight is missing"),
    "truncated": (truncate, "cannot be read, truncated or no safetensors file"),
    "another family": (lambda folder: change(folder, model_type="gpt2"), "model_type is 'gpt2', expected one of qwen3"),
    "windows": (lambda folder: change(folder, use_sliding_window=True), "use_sliding_window is True, expected False"),
    "another rope": (
        lambda folder: change(folder, rope_parameters={"rope_type": "linear", "factor": 8.0}),
        "rope_type is 'linear', expected 'yarn' or 'llama3'",
    ),
    "half a rope": (
        lambda folder: change(folder, rope_parameters={"rope_type": "llama3", "factor": 8.0}),
        "rope_scaling: slow: Input should be",
    ),
    "a rope turned round": (
        lambda folder: change(folder, rope_parameters=LLAMA3 | {"low_freq_factor": 4.0}),
        "high_freq_factor is 4.0, expected more than 4.0",
    ),
    "a field missing": (lambda folder: change(folder, num_hidden_layers=None), "layers: Input should be"),
    "a wrong size": (lambda folder: change(folder, intermediate_size=40), r"gate_proj\.weight: its size"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_one_clear_line(folder: Path, name: str) -> None:
    damage, line = BROKEN[name]
    damage(folder)
    with pytest.raises(InputError, match=line) as caught:
        convert.read(folder)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model there"):
        convert.read(tmp_path)
