"""Folders for Megatron-core: the same logits by its own arithmetic, the same model on the way back, and failures.

The arithmetic here is written after megatron-core 0.16.1 (`models/gpt/gpt_model.py`, `transformer/attention.py`,
`dot_product_attention.py`, `mlp.py`, `tensor_parallel/layers.py`, `models/common/embeddings/`), reads nothing but the
folder's files, and keeps its names: every rank computes its part, sums stand for its all-reduce.

Shape legend: T tokens, B rows, D width, G a rank's key-value heads, H its query heads, E head dimension.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from lapis import chat, cli, config
from lapis.export import hf, megatron
from lapis.model import convert, init
from lapis.model.decoder import Decoder
from lapis.model.megatron import Layout
from lapis.types import InputError
from tests.model.shared import DECODER, MODEL, random_tokens
from tests.tiny import tiny_recipe, tiny_tokenizer

FAMILIES = {
    "qwen3": DECODER,
    "qwen2": dataclasses.replace(DECODER, qk_norm=False, qkv_bias=True, tied=False),
    "llama": dataclasses.replace(DECODER, qk_norm=False, tied=False, rope_theta=1e4, eps=1e-5),
    "yarn": dataclasses.replace(DECODER, yarn=config.Yarn(4.0, 32), max_positions=128),
    "llama3": dataclasses.replace(DECODER, qk_norm=False, rope_theta=1e6, llama3=config.Llama3(32.0)),
}


class GPT:
    """Megatron-core's forward over the files of a folder."""

    def __init__(self, folder: Path):
        how = json.loads((folder / "megatron.json").read_text())
        self.config, self.model, self.yarn = how["config"], how["model"], how["yarn"]
        self.ranks = [load_file(path) for path in sorted(folder.glob("mp_rank_*/model.safetensors"))]

    def __call__(self, tokens_BT: Tensor) -> Tensor:
        """Logits [B, T, padded vocabulary]."""
        x_TBD = self.embed(tokens_BT).transpose(0, 1)
        for number in range(self.config["num_layers"]):
            layer = [self.layer(rank, number) for rank in self.ranks]
            h_TBD = self.norm(x_TBD, self.first(layer[0], "input_layernorm.weight", "self_attention.linear_qkv"))
            x_TBD = x_TBD + sum(self.attention(rank, h_TBD) for rank in layer)
            h_TBD = self.norm(x_TBD, self.first(layer[0], "pre_mlp_layernorm.weight", "mlp.linear_fc1"))
            x_TBD = x_TBD + sum(self.mlp(rank, h_TBD) for rank in layer)
        x_TBD = self.norm(x_TBD, self.ranks[0]["decoder.final_layernorm.weight"])
        tied = self.model["share_embeddings_and_output_weights"]
        name = "embedding.word_embeddings.weight" if tied else "output_layer.weight"
        return torch.cat([x_TBD @ rank[name].T for rank in self.ranks], -1).transpose(0, 1)

    def layer(self, rank: dict[str, Tensor], number: int) -> dict[str, Tensor]:
        prefix = f"decoder.layers.{number}."
        return {name.removeprefix(prefix): value for name, value in rank.items() if name.startswith(prefix)}

    def first(self, layer: dict[str, Tensor], own: str, fused: str) -> Tensor:
        return layer[own] if own in layer else layer[f"{fused}.layer_norm_weight"]

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["layernorm_epsilon"]) * weight

    def embed(self, tokens_BT: Tensor) -> Tensor:
        """VocabParallelEmbedding: each rank looks up its own rows, the others give zeros."""
        total, per = 0, self.model["vocab_size"] // len(self.ranks)
        for number, rank in enumerate(self.ranks):
            strange_BT = (tokens_BT < number * per) | (tokens_BT >= (number + 1) * per)
            rows_BTD = rank["embedding.word_embeddings.weight"][(tokens_BT - number * per).masked_fill(strange_BT, 0)]
            total = total + rows_BTD.masked_fill(strange_BT[..., None], 0.0)
        return total

    def attention(self, rank: dict[str, Tensor], h_TBD: Tensor) -> Tensor:
        heads, groups = (self.config[name] // len(self.ranks) for name in ("num_attention_heads", "num_query_groups"))
        size = self.config["kv_channels"]
        bias = rank.get("self_attention.linear_qkv.bias")
        mixed = F.linear(h_TBD, rank["self_attention.linear_qkv.weight"], bias)
        mixed = mixed.view(*mixed.shape[:2], groups, (heads // groups + 2) * size)
        q, k_TBGE, v_TBGE = torch.split(mixed, [heads // groups * size, size, size], 3)
        q_TBHE = q.reshape(*mixed.shape[:2], heads, size)
        if self.config["qk_layernorm"]:
            q_TBHE = self.norm(q_TBHE, rank["self_attention.q_layernorm.weight"])
            k_TBGE = self.norm(k_TBGE, rank["self_attention.k_layernorm.weight"])
        q_TBHE, k_TBGE = self.rotate(q_TBHE), self.rotate(k_TBGE)
        k, v = (part.repeat_interleave(heads // groups, 2).permute(1, 2, 0, 3) for part in (k_TBGE, v_TBGE))
        scores = q_TBHE.permute(1, 2, 0, 3) @ k.transpose(2, 3) / math.sqrt(size)
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        context = scores.masked_fill(later, -10000.0).softmax(-1) @ v
        return context.permute(2, 0, 1, 3).flatten(2) @ rank["self_attention.linear_proj.weight"].T

    def rotate(self, t_TBHE: Tensor) -> Tensor:
        angles, scale = self.angles(t_TBHE.shape[-1])
        freqs = torch.outer(torch.arange(len(t_TBHE)).float(), angles)
        emb = torch.cat((freqs, freqs), -1)[:, None, None]
        left, right = t_TBHE.chunk(2, -1)
        return t_TBHE * emb.cos() * scale + torch.cat((-right, left), -1) * emb.sin() * scale

    def angles(self, size: int) -> tuple[Tensor, float]:
        base = float(self.model["rotary_base"])
        extra = 1.0 / base ** (torch.arange(0, size, 2).float() / size)
        if self.model["position_embedding_type"] == "rope":
            return self.scaled(extra) if self.model.get("rope_scaling") else extra, 1.0
        factor, original = (self.yarn[f"yarn_{name}"] for name in FACTORS)
        turns = (self.yarn["yarn_beta_fast"], self.yarn["yarn_beta_slow"])
        low, high = (size * math.log(original / (turn * 2 * math.pi)) / (2 * math.log(base)) for turn in turns)
        low, high = max(math.floor(low), 0), min(math.ceil(high), size - 1)
        ramp = ((torch.arange(size // 2).float() - low) / (high - low)).clamp(0, 1)
        return extra / factor * ramp + extra * (1 - ramp), 0.1 * math.log(factor) + 1.0

    def scaled(self, freqs: Tensor) -> Tensor:
        """RotaryEmbedding._apply_scaling, whose bounds are fixed."""
        factor, low, high, old = self.model["rope_scaling_factor"], 1, 4, 8192
        wavelen = 2 * math.pi / freqs
        inv_freq_llama = torch.where(wavelen > old / low, freqs / factor, freqs)
        smooth = (old / wavelen - low) / (high - low)
        smoothed = (1 - smooth) * inv_freq_llama / factor + smooth * inv_freq_llama
        is_medium = ~(wavelen < old / high) * ~(wavelen > old / low)
        return torch.where(is_medium, smoothed, inv_freq_llama)

    def mlp(self, rank: dict[str, Tensor], h_TBD: Tensor) -> Tensor:
        gate, up = torch.chunk(h_TBD @ rank["mlp.linear_fc1.weight"].T, 2, -1)
        return (F.silu(gate) * up) @ rank["mlp.linear_fc2.weight"].T


FACTORS = ("rotary_scaling_factor", "original_max_position_embeddings")


def source(shape: config.Decoder | config.Model, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """A folder in stock form with every weight drawn, biases and norms too."""
    module = init.fresh(shape, 0)
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    hf.write(module.to(dtype), tiny_tokenizer(), folder)
    return folder


@torch.no_grad()
@pytest.mark.parametrize("layout", [Layout(), Layout("local", 2, 64)], ids=["te", "local, 2 ranks, padded"])
@pytest.mark.parametrize("family", FAMILIES)
def test_megatrons_arithmetic_gives_the_same_logits(family: str, layout: Layout, tmp_path: Path) -> None:
    megatron.write(source(FAMILIES[family], tmp_path / "hf"), tmp_path / "mcore", layout)
    module, tokens = convert.read(tmp_path / "hf"), random_tokens(2, 40)
    assert isinstance(module, Decoder)
    mine = module.logits(module(module.embed(tokens), torch.arange(40).expand(2, -1)))
    theirs = GPT(tmp_path / "mcore")(tokens)
    assert theirs.shape[-1] == (512 if layout.tp == 2 else 420)
    torch.testing.assert_close(theirs[..., :420], mine, rtol=1e-4, atol=1e-4)


def files_of(folder: Path) -> dict[str, Any]:
    """Each file's bytes, and each tensor of its weights."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".safetensors"}
    for path in folder.glob("*.safetensors"):
        for name, value in load_file(path).items():
            found[name] = (value.dtype, value.flatten().view(torch.uint8).tolist())
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("tp", "family"), [(1, "qwen3"), (2, "qwen2")])
def test_a_whole_model_comes_back_exactly(tp: int, family: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """Vision tower and adapter lie beside; config and tokenizer are the same files."""
    before = source(dataclasses.replace(MODEL, decoder=FAMILIES[family]), tmp_path / "hf", dtype)
    megatron.write(before, tmp_path / "mcore", Layout(tp=tp, multiple=128))
    vision = load_file(tmp_path / "mcore" / "vision" / "model.safetensors")
    assert {name.split(".")[1] for name in vision} == {"vision_tower", "multi_modal_projector"}
    megatron.write_back(tmp_path / "mcore", tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoders_come_back_exactly_by_way_of_other_ranks(family: str, tmp_path: Path) -> None:
    before = source(FAMILIES[family], tmp_path / "hf")
    megatron.write(before, tmp_path / "two", Layout("te", 2))
    megatron.write(tmp_path / "two", tmp_path / "one", Layout("local", 1, 128))
    megatron.write_back(tmp_path / "one", tmp_path / "back")
    found = files_of(tmp_path / "back")
    assert found == {name: value for name, value in files_of(before).items() if name != "README.md"}


def test_the_command_line_goes_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a run into its export folder, and from folders with out=."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "tiny"
    before = source(tiny_recipe().model, run / "rl" / "model")
    (run / "config.json").write_text(config.dump(tiny_recipe()), encoding="utf-8")
    assert cli.main(["export", "tiny", "--to", "megatron", "--spec", "local", "--vocab-multiple", "128"]) == 0
    ours = Path("runs/tiny/export/megatron")
    assert cli.main(["export", str(ours), "--to", "hf", "out=back"]) == 0
    assert files_of(Path("back")) == files_of(before)
    assert cli.main(["export", "back", "--to", "megatron", "out=again"]) == 0
    assert capsys.readouterr().out.split() == [str(ours), "back", "again"]
    chat.Tokenizer.load(Path("again"), 4)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["back", "--to", "hf", "--tp", "2"], "expected --to megatron with them"),
        (["model", "--to", "megatron"], "out: no folder named"),
        (["model", "--to", "megatron", "--tp", "5", "out=x"], "tp 5: expected a divisor"),
        (["model", "--to", "megatron", "--spec", "apex", "out=x"], "apex"),
        (["model", "--to", "hf", "out=x"], "model: no run there"),
        (["nothing", "--to", "megatron", "out=x"], "nothing: no run there"),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    source(DECODER, tmp_path / "model")
    assert cli.main(["export", *words]) == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1 and not Path("x").exists()


def rename(folder: Path, old: str, new: str) -> None:
    (folder / old).rename(folder / new)


def other_vocabulary(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": 9000}))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pickle": (
        lambda folder: rename(folder, "mp_rank_00/model.safetensors", "mp_rank_00/model_optim_rng.pt"),
        r"model_optim_rng\.pt: pickled weights are not read; expected safetensors",
    ),
    "a pipeline": (lambda folder: rename(folder, "mp_rank_01", "mp_rank_00_001"), "parts of pipelines"),
    "a gap": (lambda folder: rename(folder, "mp_rank_00", "mp_rank_02"), "there are mp_rank_01, mp_rank_02; expected"),
    "no config": (lambda folder: (folder / "config.json").unlink(), r"no model there \(config\.json is missing\)"),
    "another config": (other_vocabulary, r"word_embeddings\.weight: its size is \[420, 64\] over all ranks, expected"),
    "an empty rank": (
        lambda folder: save_file({}, folder / "mp_rank_01" / "model.safetensors"),
        "mp_rank_01: tensor decoder.final_layernorm.weight is missing",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_one_clear_line(name: str, tmp_path: Path) -> None:
    damage, line = BROKEN[name]
    megatron.write(source(DECODER, tmp_path / "hf"), tmp_path / "mcore", Layout(tp=2))
    damage(tmp_path / "mcore")
    with pytest.raises(InputError, match=line) as caught:
        megatron.write_back(tmp_path / "mcore", tmp_path / "back")
    assert "\n" not in str(caught.value) and not (tmp_path / "back").exists()


def test_bounds_that_megatron_does_not_have_are_refused() -> None:
    shape = dataclasses.replace(FAMILIES["llama3"], llama3=config.Llama3(8.0, original=4096))
    with pytest.raises(InputError, match=r"^rope_scaling: .*original=4096.*expected Megatron-core's .*original=8192"):
        megatron.description(shape, Layout())


def test_only_a_folder_of_the_same_form_is_replaced(tmp_path: Path) -> None:
    before = source(DECODER, tmp_path / "hf")
    megatron.write(before, tmp_path / "mcore", Layout(tp=2))
    megatron.write(before, tmp_path / "mcore", Layout())
    assert [path.name for path in sorted((tmp_path / "mcore").glob("mp_rank_*"))] == ["mp_rank_00"]
    with pytest.raises(InputError, match="holds something else, so it is not replaced"):
        megatron.write(tmp_path / "mcore", before, Layout())
    with pytest.raises(InputError, match="holds something else, so it is not replaced"):
        megatron.write_back(tmp_path / "mcore", tmp_path / "mcore")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hf", "mcore"]


def test_a_full_disk_leaves_the_older_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source(DECODER, tmp_path / "hf")
    megatron.write(before, tmp_path / "mcore", Layout())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(megatron, "save_file", full)
    with pytest.raises(InputError, match=r"mcore: could not be written \(.*No space left on device\)$"):
        megatron.write(before, tmp_path / "mcore", Layout(tp=2))
    monkeypatch.undo()
    megatron.write_back(tmp_path / "mcore", tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "hf", "mcore"]
