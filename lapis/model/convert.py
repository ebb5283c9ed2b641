"""Weights to and from Hugging Face folders, and modules read from them.

Unusual: our modules keep query, key and value (and gate and up) as one matrix, so one of our names stands for several
of theirs, whose rows take turns. The table of names below serves both directions. Only safetensors are read.

Shape legend: W ViT width, P patches of a tile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lapis import config
from lapis.model import shapes
from lapis.model.decoder import Decoder, channel_rows, head_rows
from lapis.model.vit import ViT
from lapis.model.vlm import Lapis
from lapis.types import InputError

Get = Callable[[str], Tensor]
"""A source's tensor by its Hugging Face name; raises InputError where it is missing."""
Names = Mapping[str, tuple[str, ...]]

DECODER: Names = {
    "layers": ("layers",),
    "embedding": ("embed_tokens",),
    "norm": ("norm",),
    "norm1": ("input_layernorm",),
    "norm2": ("post_attention_layernorm",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.o_proj",),
    "attention.q_norm": ("self_attn.q_norm",),
    "attention.k_norm": ("self_attn.k_norm",),
    "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down": ("mlp.down_proj",),
}
VIT: Names = {
    "layers": ("encoder.layers",),
    "patch": ("embeddings.patch_embedding",),
    "positions": ("embeddings.position_embedding",),
    "norm": ("post_layernorm",),
    "norm1": ("layer_norm1",),
    "norm2": ("layer_norm2",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.out_proj",),
    "mlp.fc1": ("mlp.fc1",),
    "mlp.fc2": ("mlp.fc2",),
}
ADAPTER: Names = {"fc1": ("linear_1",), "fc2": ("linear_2",)}
WHOLE = (
    ("vit.", "model.vision_tower.", VIT),
    ("adapter.", "model.multi_modal_projector.", ADAPTER),
    ("decoder.", "model.language_model.", DECODER),
)
"""Our prefix, theirs, and the names below it, in an Lfm2Vl folder."""
OWN = tuple((ours, prefix, {} if ours == "adapter." else names) for ours, prefix, names in WHOLE)
"""The same with an adapter of the user's own, whose parameters keep their names."""


def theirs(name: str, names: Names) -> tuple[str, ...]:
    """Hugging Face's names of one of our parameters, below the part's prefix."""
    path, _, leaf = name.rpartition(".")
    layer = ""
    if path.startswith("layers."):
        _, number, path = path.split(".", 2)
        layer = f"{names['layers'][0]}.{number}."
    return tuple(f"{layer}{module}.{leaf}" for module in names[path])


def _parts(module: nn.Module) -> tuple[tuple[str, str, Names], ...]:
    if isinstance(module, Lapis):
        return OWN if module.config.adapter.kind else WHOLE
    return (("", "model.", DECODER),)


def _place(name: str, parts: tuple[tuple[str, str, Names], ...]) -> tuple[str, ...]:
    """Full Hugging Face names of one of our parameters."""
    for ours, prefix, names in parts:
        if name.startswith(ours):
            if not names:
                return (prefix + name.removeprefix(ours),)
            if name.endswith("head.weight"):
                return ("lm_head.weight",)
            return tuple(prefix + found for found in theirs(name.removeprefix(ours), names))
    raise KeyError(name)


def pieces_of(name: str, rows: int, module: nn.Module) -> tuple[Tensor, ...]:
    """Rows of one of our parameters that each of theirs holds, int64."""
    ours = name.removeprefix("decoder.")
    if isinstance(module, Lapis | Decoder) and ours.startswith("layers."):
        shape = module.decoder.config if isinstance(module, Lapis) else module.config
        if ".qkv." in ours:
            return tuple(rows_NE.flatten() for rows_NE in head_rows(shape))
        if ".gate_up." in ours:
            return channel_rows(shape.mlp)
    return torch.arange(rows).chunk(3 if ".qkv." in name else 1)


def to_hf(module: Lapis | Decoder) -> dict[str, Tensor]:
    """State dict in Hugging Face's names (Lfm2VlForConditionalGeneration, or a causal LM), without a tied head."""
    state: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        found = _place(name, _parts(module))
        if len(found) == 1:
            state[found[0]] = tensor.clone()
            continue
        pieces = pieces_of(name, len(tensor), module)
        state.update(zip(found, (tensor[rows].clone() for rows in pieces), strict=True))
    return state


def from_hf(module: nn.Module, get: Get, parts: tuple[tuple[str, str, Names], ...], dtype: torch.dtype) -> None:
    """Fill a module (built on the meta device) with a source's tensors. Raises InputError for a wrong size."""
    state: dict[str, Tensor] = {}
    for name, parameter in module.state_dict().items():
        found = _place(name, parts)
        stacked = torch.cat([get(key) for key in found]) if len(found) > 1 else get(found[0]).clone()
        if stacked.shape != parameter.shape:
            sizes = f"{list(stacked.shape)}, expected {list(parameter.shape)}"
            raise InputError(f"{found[0]}: its size and its neighbours' together is {sizes}")
        if len(found) > 1:
            stacked = stacked[torch.cat(pieces_of(name, len(stacked), module)).argsort()]
        state[name] = stacked.to(dtype) if stacked.is_floating_point() else stacked
    module.load_state_dict(state, assign=True)


class Weights:
    """The tensors of a folder, in one safetensors file or several with an index, read one at a time."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = {name: path for path in _files(folder) for name in _keys(path)}

    def __call__(self, name: str) -> Tensor:
        if name not in self.files:
            raise InputError(f"{self.folder}: tensor {name} is missing")
        try:
            with safe_open(self.files[name], "pt") as file:
                return file.get_tensor(name)
        except SafetensorError as error:
            raise InputError(f"{self.files[name]}: cannot be read ({error})") from None

    def prefix(self, ending: str) -> str:
        """What stands before a name in this folder, since families nest their towers differently."""
        found = [name.removesuffix(ending) for name in self.files if name.endswith(ending)]
        if not found:
            raise InputError(f"{self.folder}: tensor {ending} is missing")
        return min(found, key=len)


def _files(folder: Path) -> list[Path]:
    """Weight files of a folder. Raises InputError where there are none, or only pickles."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        paths = [folder / name for name in sorted(set(read_json(index).get("weight_map", {}).values()))]
    else:
        paths = sorted(folder.glob("*.safetensors"))
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: weight file is missing")
    if paths:
        return paths
    pickles = [path for ending in ("*.bin", "*.pt", "*.pth") for path in sorted(folder.glob(ending))]
    if pickles:
        raise InputError(f"{pickles[0]}: pickled weights are not read; expected safetensors")
    raise InputError(f"{folder}: no model there (no safetensors file)")


def _keys(path: Path) -> list[str]:
    try:
        with safe_open(path, "pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read, truncated or no safetensors file ({error})") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises InputError where there is none."""
    if not path.is_file():
        raise InputError(f"{path.parent}: no model there ({path.name} is missing)")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{path}: no JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object")
    return value


def config_of(folder: Path) -> config.Model | config.Decoder:
    """Shape of the model in a folder: a whole one (Lfm2Vl) or a decoder (Qwen3, Qwen2, Llama). Raises InputError."""
    path = Path(folder) / "config.json"
    raw = read_json(path)
    whole = raw.get("model_type") in shapes.MODELS
    return shapes.model_of(raw, str(path)) if whole else shapes.decoder_of(raw, str(path))


def read(folder: Path, dtype: torch.dtype = torch.float32) -> Lapis | Decoder:
    """Our module from a Hugging Face folder, with weights of `dtype` on the CPU.

    Raises InputError for a folder that is no model, a missing tensor, a truncated file or pickled weights.
    """
    shape = config_of(folder)
    weights = Weights(Path(folder))
    with torch.device("meta"):
        module: Lapis | Decoder = Lapis(shape) if isinstance(shape, config.Model) else Decoder(shape)
    from_hf(module, weights, _parts(module), dtype)
    return module


def read_decoder(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """The decoder alone, out of a causal LM's folder or a larger model's."""
    path = Path(folder) / "config.json"
    weights = Weights(Path(folder))
    with torch.device("meta"):
        decoder = Decoder(shapes.decoder_of(read_json(path), str(path)))
    from_hf(decoder, weights, (("", weights.prefix("embed_tokens.weight"), DECODER),), dtype)
    return decoder


def read_vit(folder: Path, tile: int | None = None, dtype: torch.dtype = torch.float32) -> ViT:
    """The vision tower of a SigLIP, SigLIP2 or Lfm2Vl folder, for tiles of `tile` px (its own size if None).

    A patch convolution becomes a matrix, and positions are resized to the tile's grid.
    """
    path = Path(folder) / "config.json"
    shape = shapes.vit_of(read_json(path), str(path), tile)
    weights = Weights(Path(folder))
    prefix = weights.prefix("embeddings.patch_embedding.weight")

    def get(name: str) -> Tensor:
        tensor = weights(name)
        if name.endswith("patch_embedding.weight"):
            return flatten_convolution(tensor)
        return resize_positions(tensor, shape.grid) if name.endswith("position_embedding.weight") else tensor

    with torch.device("meta"):
        vit = ViT(shape)
    from_hf(vit, get, (("", prefix, VIT),), dtype)
    return vit


def flatten_convolution(weight: Tensor) -> Tensor:
    """[W, 3, p, p] of a patch convolution as a matrix over (row, column, channel); a matrix stays."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight


def resize_positions(positions_PW: Tensor, grid: int) -> Tensor:
    """Square position embeddings for another grid, by bicubic interpolation with antialiasing; equal grids stay."""
    old = round(len(positions_PW) ** 0.5)
    if old == grid:
        return positions_PW
    square = positions_PW.float().T.reshape(1, -1, old, old)
    resized = F.interpolate(square, size=(grid, grid), mode="bicubic", antialias=True, align_corners=False)
    return resized.flatten(2)[0].T.to(positions_PW.dtype)
