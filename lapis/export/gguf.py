"""GGUF files for stock llama.cpp: the decoder as `qwen3` or `qwen2`, tower and adapter as projector `lfm2`.

A folder has `model-FORMAT.gguf` for each format, `mmproj-f16.gguf` (and `mmproj-f32.gguf` beside f32) where the model
sees, the source's config and tokenizer, which `lapis.serve.llamacpp` reads, and a README. Unusual: every file is read
back before the folder appears, names and shapes against what was meant; and the tile is the image size of the
projector, since llama.cpp's own tiling is another one: whoever sends images cuts them as `model.anyres` does.

f32, f16 and q8_0 are written here. q4_k_m is llama-quantize's (lapis/native.py), made of f32. Its rows are blocks of
256: a matrix of another width gets a type with smaller blocks, which `kept` tells.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, GGUFWriter, LlamaFileType, RopeScalingType
from gguf.quants import quantize
from torch import Tensor

from lapis import config, files, native
from lapis.export import gguf_words
from lapis.model import convert
from lapis.said import last_line
from lapis.types import InputError

FORMATS = ("f32", "f16", "q8_0", "q4_k_m")
DEFAULT = ("f16", "q8_0", "q4_k_m")
TYPES = {"f32": Type.F32, "f16": Type.F16, "q8_0": Type.Q8_0}
"""What is written here, and the type of its matrices."""
FILE_TYPES = {"f32": LlamaFileType.ALL_F32, "f16": LlamaFileType.MOSTLY_F16, "q8_0": LlamaFileType.MOSTLY_Q8_0}
BLOCK = {"q8_0": 32, "q4_k_m": 256}
"""Values of a row that share a scale; rows are whole blocks."""
CARRIED = ("config.json", "tokenizer.json", "tokenizer_config.json")
TEXT, WHOLE = "model.", "model.language_model."
TOWER, PROJECTOR = "model.vision_tower.", "model.multi_modal_projector."
DECODER = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "lm_head": "output",
}
"""Hugging Face's module to llama.cpp's, within a layer (`blk.N.`) or outside."""
VISION = {
    "embeddings.patch_embedding": "v.patch_embd",
    "embeddings.position_embedding": "v.position_embd",
    "post_layernorm": "v.post_ln",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "linear_1": "mm.1",
    "linear_2": "mm.2",
}
"""The same of tower (layers are `v.blk.N.`) and adapter."""

README = """# For llama.cpp

Stock llama.cpp runs these files. `lapis build llamacpp` builds one, and `lapis serve` uses it.

```sh
llama-server -m model-f16.gguf{words}
llama-mtmd-cli -m model-f16.gguf{words} --jinja --image tile.png -p "Where is: Save?"
```
{tiles}
Thinking is switched on by the template's `enable_thinking` (`"chat_template_kwargs": {{"enable_thinking": true}}`),
and the model then opens with `<think>`.

{files}
"""
TILES = """
An image part is one tile: {tile} x {tile} px, {tokens} tokens, which is neither resized nor cut again. Lapis cuts
larger images into tiles as training did; llama.cpp itself would cut at 512 px.
"""


def write(source: Path, out: Path, formats: Sequence[str] = DEFAULT) -> None:
    """Write the model in `source` (a stock folder) as GGUF files into `out`, in place of older ones.

    Raises InputError for an unknown format, a model that llama.cpp has no form for, q4_k_m without llama-quantize,
    another kind of folder at `out`, or a full disk.
    """
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"--formats {name}: expected some of {','.join(FORMATS)}")
    shape = convert.config_of(source)
    check(shape, source)
    quantiser = native.find("llama-quantize") if "q4_k_m" in formats else None
    with files.placed(out, is_gguf) as folder:
        for name in CARRIED:
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
        for name in formats:
            if name in TYPES:
                _write_decoder(source, folder / f"model-{name}.gguf", name)
        if quantiser is not None:
            _quantised(source, folder, quantiser)
        for name in _projectors(shape, formats):
            _write_vision(source, folder / f"mmproj-{name}.gguf", name)
        files.write(folder / "README.md", readme(shape, folder))


def is_gguf(folder: Path) -> bool:
    """Whether a folder is one that `write` wrote."""
    return any(folder.glob("model-*.gguf"))


def check(shape: config.Model | config.Decoder, name: Path) -> None:
    """Raises InputError for what stock llama.cpp cannot run."""
    if isinstance(shape, config.Model):
        if shape.adapter.kind:
            raise InputError(f"{name}: its adapter is {shape.adapter.kind}, which llama.cpp does not have")
        if shape.vit.grid % shape.adapter.shuffle:
            raise InputError(f"{name}: a tile has {shape.vit.grid} patches a side, expected an even number")
    decoder = config.decoder_of(shape)
    if decoder.llama3 is not None or not (decoder.qk_norm or decoder.qkv_bias):
        raise InputError(f"{name}: a Llama decoder; GGUF is written of Qwen3's and Qwen2's form")


def _projectors(shape: config.Model | config.Decoder, formats: Sequence[str]) -> tuple[str, ...]:
    """f16 beside every format but f32, which has its own."""
    if not isinstance(shape, config.Model):
        return ()
    return (*(("f16",) if set(formats) - {"f32"} else ()), *(("f32",) if "f32" in formats else ()))


def _write_decoder(source: Path, path: Path, form: str) -> None:
    shape = convert.config_of(source)
    decoder = config.decoder_of(shape)
    writer = GGUFWriter(path, architecture(decoder), use_temp_file=True)
    _describe_decoder(writer, decoder, form)
    gguf_words.describe(writer, source, decoder.vocab)
    _fill(writer, decoder_tensors(source), form)
    _close(writer, path)
    _read_back(path, [(name, tuple(tensor.shape)) for name, tensor in decoder_tensors(source)])


def architecture(shape: config.Decoder) -> str:
    """llama.cpp's name of the decoder."""
    return "qwen3" if shape.qk_norm else "qwen2"


def _describe_decoder(writer: GGUFWriter, shape: config.Decoder, form: str) -> None:
    writer.add_type("model")
    writer.add_file_type(FILE_TYPES[form])
    writer.add_context_length(shape.max_positions)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.mlp)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_vocab_size(shape.vocab)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_rope_dimension_count(shape.head_dim)
    if shape.yarn is not None:
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(shape.yarn.factor)
        writer.add_rope_scaling_orig_ctx_len(shape.yarn.original)
        writer.add_rope_scaling_yarn_beta_fast(shape.yarn.beta_fast)
        writer.add_rope_scaling_yarn_beta_slow(shape.yarn.beta_slow)


def _write_vision(source: Path, path: Path, form: str) -> None:
    shape = convert.config_of(source)
    assert isinstance(shape, config.Model)
    vit = shape.vit
    writer = GGUFWriter(path, "clip", use_temp_file=True)
    writer.add_type("mmproj")
    writer.add_file_type(FILE_TYPES[form])
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("lfm2")
    writer.add_vision_projection_dim(shape.decoder.width)
    writer.add_vision_image_size(vit.tile)
    writer.add_vision_patch_size(vit.patch)
    writer.add_vision_embedding_length(vit.width)
    writer.add_vision_feed_forward_length(vit.mlp)
    writer.add_vision_block_count(vit.layers)
    writer.add_vision_head_count(vit.heads)
    writer.add_vision_attention_layernorm_eps(vit.eps)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_projector_scale_factor(shape.adapter.shuffle)
    writer.add_vision_use_gelu(True)
    _fill(writer, vision_tensors(source), form)
    _close(writer, path)
    _read_back(path, [(name, tuple(tensor.shape)) for name, tensor in vision_tensors(source)])


def decoder_tensors(source: Path) -> Iterator[tuple[str, Tensor]]:
    """The decoder's tensors in llama.cpp's names, one at a time. Tied embeddings stand once."""
    weights = convert.Weights(source)
    whole = isinstance(convert.config_of(source), config.Model)
    for name in sorted(weights.files):
        if name.startswith(WHOLE if whole else TEXT) or name == "lm_head.weight":
            yield _renamed(name.removeprefix(WHOLE if whole else TEXT), "layers.", "blk.", DECODER), weights(name)


def vision_tensors(source: Path) -> Iterator[tuple[str, Tensor]]:
    """Tower and adapter in llama.cpp's names; the patch matrix as the convolution that it is."""
    weights = convert.Weights(source)
    shape = convert.config_of(source)
    assert isinstance(shape, config.Model)
    side = shape.vit.patch
    for name in sorted(weights.files):
        if name.startswith((TOWER, PROJECTOR)):
            below = name.removeprefix(TOWER).removeprefix(PROJECTOR).removeprefix("vision_model.")
            tensor = weights(name)
            if name.endswith("patch_embedding.weight"):
                tensor = tensor.reshape(-1, side, side, 3).permute(0, 3, 1, 2)
            yield _renamed(below, "encoder.layers.", "v.blk.", VISION), tensor


def _renamed(name: str, layers: str, blocks: str, names: dict[str, str]) -> str:
    """`layers.3.mlp.up_proj.weight` to `blk.3.ffn_up.weight`."""
    module, _, leaf = name.rpartition(".")
    place = ""
    if module.startswith(layers):
        number, _, module = module.removeprefix(layers).partition(".")
        place = f"{blocks}{number}."
    return f"{place}{names[module]}.{leaf}"


def _fill(writer: GGUFWriter, tensors: Iterator[tuple[str, Tensor]], form: str) -> None:
    """Matrices in the file's type, vectors (and positions, which are added) in f32."""
    for name, tensor in tensors:
        array = np.ascontiguousarray(tensor.float().numpy())
        if array.ndim < 2 or name.startswith("v.position_embd"):
            writer.add_tensor(name, array)
        elif form == "q8_0" and array.shape[-1] % BLOCK[form] == 0:
            writer.add_tensor(name, quantize(array, Type.Q8_0), raw_dtype=Type.Q8_0)
        else:
            writer.add_tensor(name, array.astype(np.float32 if form == "f32" else np.float16))


def _close(writer: GGUFWriter, path: Path) -> None:
    with files.room(path):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _read_back(path: Path, meant: Sequence[tuple[str, tuple[int, ...]]]) -> None:
    """Compare a written file with what it should hold; a difference is a fault of ours."""
    found = {tensor.name: tuple(int(side) for side in reversed(tensor.shape)) for tensor in GGUFReader(path).tensors}
    if found != dict(meant):
        wrong = sorted(set(found.items()) ^ set(meant))
        raise RuntimeError(f"{path}: holds other tensors than were written: {wrong[:4]}")


def _quantised(source: Path, folder: Path, quantiser: Path) -> None:
    """q4_k_m by llama-quantize, from f32. Raises InputError where it fails."""
    full = folder / "model-f32.gguf"
    kept = full.is_file()
    if not kept:
        _write_decoder(source, full, "f32")
    path = folder / "model-q4_k_m.gguf"
    done = subprocess.run([quantiser, full, path, "q4_k_m"], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{path.name}: llama-quantize failed ({last_line(done.stderr)})")
    _read_back(path, [(name, tuple(tensor.shape)) for name, tensor in decoder_tensors(source)])
    if not kept:
        full.unlink()


def kept(path: Path) -> dict[str, int]:
    """Bytes of a file's tensors by type, largest first."""
    sizes: dict[str, int] = {}
    for tensor in GGUFReader(path).tensors:
        name = tensor.tensor_type.name.lower()
        sizes[name] = sizes.get(name, 0) + int(tensor.n_bytes)
    return dict(sorted(sizes.items(), key=lambda entry: -entry[1]))


def unquantised(path: Path, form: str) -> list[str]:
    """Matrices of a quantised file whose rows are no whole blocks, so that they have another type: `name (type)`."""
    block = BLOCK.get(form, 1)
    odd = (tensor for tensor in GGUFReader(path).tensors if len(tensor.shape) > 1 and int(tensor.shape[0]) % block)
    return [f"{tensor.name} ({tensor.tensor_type.name.lower()})" for tensor in odd]


def readme(shape: config.Model | config.Decoder, folder: Path) -> str:
    """How the files are used, and what is in them."""
    projector = next((path.name for path in sorted(folder.glob("mmproj-*.gguf"))), "")
    tiles = ""
    if isinstance(shape, config.Model):
        tiles = TILES.format(tile=shape.vit.tile, tokens=shape.tokens_per_tile)
    lines = [*_lines(folder)]
    words = " ".join([*(["--mmproj", projector] if projector else []), *native.model_words(shape)])
    return README.format(words=f" {words}".rstrip(), tiles=tiles, files="\n".join(lines))


def _lines(folder: Path) -> Iterator[str]:
    yield "| file | MB | tensors by type, in MB | matrices of another type |"
    yield "| --- | --- | --- | --- |"
    for path in sorted(folder.glob("*.gguf")):
        types: dict[str, Any] = kept(path)
        said = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in types.items())
        form = path.stem.partition("-")[2]
        others = unquantised(path, form) if path.name.startswith("model-") else []
        yield f"| `{path.name}` | {path.stat().st_size / 1e6:.1f} | {said} | {', '.join(others) or 'none'} |"
