"""ExecuTorch programs for a phone: one file with the embedding, the vision tower and the decoder, lowered to XNNPACK.

Unusual: one decoder method serves prefill and decoding, since its number of tokens is free up to a chunk, and so does
one method for any number of tiles up to a batch. The cache lies in the program as mutable buffers, written at the
positions that the caller names; what lies behind them is masked, so a reset costs nothing. Attention is written out
in plain products, which XNNPACK takes (the fused call becomes operators that it leaves to slow kernels).

Methods, in the names that ExecuTorch's own multimodal runner uses:
    token_embedding  int64 [1, T] -> fp32 [1, T, D]
    vision_encoder   uint8 [N, S, S, 3] -> fp32 [N, Q, D], image tokens of each tile
    text_decoder     fp32 [1, T, D], int64 [T] positions -> fp32 [1, V], logits after the last of them

Shape legend: T tokens, D width, V vocabulary, N tiles, S pixels of a tile's side, P patches of a tile, W the ViT's
width, H heads, G key-value heads, R = H / G, E head dimension, M tokens of the cache, Q image tokens of a tile,
C pairs of a head.
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from lapis import chat, config, files, outside
from lapis.export.quantise import Bits, Forms, grouping, linears, rows_int8, unembedding
from lapis.model import shapes, vit
from lapis.model.adapter import Adapter
from lapis.model.decoder import Decoder, Layer, Rotation, rotate, rotation
from lapis.model.vlm import Lapis, text_of
from lapis.types import InputError

PROGRAM, ABOUT = "model.pte", "program.json"
HIDDEN = -1e9
"""Added to the scores of keys that a query must not see."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a program has room for."""

    length: int = 2048
    """Tokens of prompt and answer together."""
    chunk: int = 128
    """Most tokens of a call (BlueLM-V-3B's prefill on a phone, C)."""
    tiles: int = 4
    """Most tiles of a call (likewise the best there, C)."""

    def __post_init__(self) -> None:
        """Raises InputError for a size out of range."""
        for name, least in (("length", 64), ("chunk", 2), ("tiles", 2)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: {getattr(self, name)}, expected {least} or more")
        if self.chunk > self.length:
            raise InputError(f"chunk: {self.chunk}, expected at most the length, {self.length}")


class Embedding(nn.Module):
    """Rows of the embedding, kept as int8 with a step each, or as they are."""

    rows: Tensor
    step: Tensor | None

    def __init__(self, weight_VD: Tensor, bits: Bits):
        super().__init__()
        rows_VD, step_V1 = (weight_VD.clone(), None) if bits == "fp32" else rows_int8(weight_VD)
        self.register_buffer("rows", rows_VD)
        self.register_buffer("step", step_V1)

    def forward(self, tokens_1T: Tensor) -> Tensor:
        at_T = tokens_1T[0]
        x_TD = self.rows[at_T]
        return (x_TD if self.step is None else x_TD.float() * self.step[at_T])[None]


class Vision(nn.Module):
    """ViT and adapter."""

    def __init__(self, model: Lapis):
        super().__init__()
        self.vit, self.adapter = model.vit, model.adapter

    def forward(self, tiles_NSS3: Tensor) -> Tensor:
        patches = vit.normalise(vit.patchify(tiles_NSS3, self.vit.config.patch), torch.float32)
        x_NPW = self.vit.patch(patches) + self.vit.positions.weight
        for layer in cast("list[vit.Layer]", self.vit.layers):
            x_NPW = x_NPW + _see(layer.attention, layer.norm1(x_NPW))
            x_NPW = x_NPW + layer.mlp(layer.norm2(x_NPW))
        return cast(Adapter, self.adapter)(self.vit.norm(x_NPW))


def _see(attention: vit.Attention, x_NPW: Tensor) -> Tensor:
    q_NHPE, k_NHPE, v_NHPE = attention.qkv(x_NPW).unflatten(-1, (3, attention.heads, -1)).permute(2, 0, 3, 1, 4)
    scores = (q_NHPE * q_NHPE.shape[-1] ** -0.5) @ k_NHPE.transpose(2, 3)
    return attention.out((scores.softmax(-1) @ v_NHPE).transpose(1, 2).flatten(2))


class Text(nn.Module):
    """The decoder over its own cache: each buffer is [G, M, E], in int8 beside its steps [G, M, 1] or in fp32."""

    keys: Tensor
    cos: Tensor
    sin: Tensor

    def __init__(self, decoder: Decoder, length: int, kv: str):
        super().__init__()
        shape = decoder.config
        self.heads, self.int8 = shape.heads, kv == "int8"
        self.layers, self.norm, self.head = decoder.layers, decoder.norm, unembedding(decoder)
        empty = torch.zeros(shape.kv_heads, length, shape.head_dim, dtype=torch.int8 if self.int8 else torch.float32)
        for name in (f"{part}{number}" for number in range(shape.layers) for part in "kv"):
            self.register_buffer(f"cache_{name}", empty.clone())
            if self.int8:
                self.register_buffer(f"step_{name}", torch.zeros(shape.kv_heads, length, 1))
        keys_M = torch.arange(length)
        cos, sin = rotation(shape, keys_M[None])
        self.register_buffer("keys", keys_M)
        self.register_buffer("cos", cos[0])
        self.register_buffer("sin", sin[0])

    def forward(self, x_1TD: Tensor, at_T: Tensor) -> Tensor:
        turn = (self.cos[at_T][None], self.sin[at_T][None])
        hidden_TM = torch.where(self.keys <= at_T[:, None], 0.0, HIDDEN)
        for number, layer in enumerate(cast("list[Layer]", self.layers)):
            x_1TD = x_1TD + self._attend(layer, number, layer.norm1(x_1TD), at_T, turn, hidden_TM)
            x_1TD = x_1TD + layer.mlp(layer.norm2(x_1TD))
        return self.head(self.norm(x_1TD[:, -1]))

    def _attend(
        self, layer: Layer, number: int, x_1TD: Tensor, at_T: Tensor, turn: Rotation, hidden_TM: Tensor
    ) -> Tensor:
        attention, tokens = layer.attention, x_1TD.shape[1]
        groups = attention.qkv(x_1TD).unflatten(-1, (-1, *attention.group))
        q_THE = rotate(attention.q_norm(groups[..., :-2, :]).flatten(2, 3), turn)[0]
        k_TGE, v_TGE = rotate(attention.k_norm(groups[..., -2, :]), turn)[0], groups[0, ..., -1, :]
        k_GME, k_step = self._keep(f"k{number}", k_TGE, at_T)
        v_GME, v_step = self._keep(f"v{number}", v_TGE, at_T)
        q_GSE = q_THE.transpose(0, 1).reshape(k_GME.shape[0], -1, q_THE.shape[-1]) * q_THE.shape[-1] ** -0.5
        scores_HTM = ((q_GSE @ k_GME.transpose(1, 2)) * k_step).view(self.heads, tokens, -1) + hidden_TM
        o_GSE = (scores_HTM.softmax(-1).view(k_GME.shape[0], -1, k_GME.shape[1]) * v_step) @ v_GME
        return attention.out(o_GSE.view(self.heads, tokens, -1).transpose(0, 1).reshape(1, tokens, -1))

    def _keep(self, name: str, x_TGE: Tensor, at_T: Tensor) -> tuple[Tensor, Tensor | float]:
        """Write into a cache; returns all of it in steps, fp32 [G, M, E], and the steps [G, 1, M] or 1.

        Steps multiply scores and weights, a number a key, not the keys themselves, which would be E as many.
        """
        cache, x_GTE = getattr(self, f"cache_{name}"), x_TGE.transpose(0, 1)
        if not self.int8:
            return cache.index_copy_(1, at_T, x_GTE), 1.0
        steps = getattr(self, f"step_{name}")
        whole_GTE, step_GT1 = rows_int8(x_GTE)
        cache.index_copy_(1, at_T, whole_GTE)
        steps.index_copy_(1, at_T, step_GT1)
        return cache.float(), steps.transpose(1, 2)


def write(model: Lapis | Decoder, tokenizer: chat.Tokenizer, folder: Path, forms: Forms, size: Size) -> dict[str, Any]:
    """Write a program's folder; returns what its program.json says.

    Raises InputError where ExecuTorch is not built, for a model of fewer positions than `size.length`, or where
    `folder` holds something else.
    """
    outside.use(outside.EXECUTORCH)
    # A program that was cut has no program.json yet, and is replaced all the same.
    if folder.exists() and any(folder.iterdir()) and not (folder / PROGRAM).is_file():
        raise InputError(f"{folder}: holds something else, so it is not replaced; expected a new or empty folder")
    decoder = text_of(model)
    if size.length > decoder.config.max_positions:
        raise InputError(
            f"length: {size.length}, expected at most the model's {decoder.config.max_positions} positions"
        )
    buffer = lower(model, forms, size)
    about = _about(model, forms, size)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    with files.beside(folder / PROGRAM) as part:
        part.write_bytes(buffer)
    tokenizer.raw.save(str(folder / "tokenizer.json"))
    files.write(folder / "tokenizer_config.json", chat.tokenizer_config(size.length))
    ids = {"eos_token_id": tokenizer.id(chat.END), "pad_token_id": tokenizer.id(chat.PAD)}
    files.write_json(folder / "config.json", _shape(model, ids))
    files.write_json(folder / ABOUT, about)
    return about


def _shape(model: Lapis | Decoder, ids: dict[str, int]) -> dict[str, Any]:
    if isinstance(model, Decoder):
        return shapes.decoder_json(model.config, "float32", ids)
    return shapes.model_json(model.config, "float32", ids)


def _about(model: Lapis | Decoder, forms: Forms, size: Size) -> dict[str, Any]:
    shape = model.config
    decoder = config.decoder_of(shape)
    entry = decoder.head_dim + 4 if forms.kv == "int8" else 4 * decoder.head_dim
    return {
        "forms": dataclasses.asdict(forms),
        "size": dataclasses.asdict(size),
        "cache_bytes": 2 * decoder.layers * decoder.kv_heads * size.length * entry,
        "made_with": list(outside.EXECUTORCH.pins),
    }


def lower(model: Lapis | Decoder, forms: Forms, size: Size) -> bytes:
    """The program's bytes. ExecuTorch must be in use."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        programs = {name: _export(*part) for name, part in _parts(model, forms, size).items()}
        # No check of the intermediate form: it knows no operators of a quantiser.
        edge = to_edge_transform_and_lower(
            programs,
            partitioner={name: [XnnpackPartitioner()] for name in programs},
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
        # The cache is written in place; without the pass every call copies all of it.
        how = ExecutorchBackendConfig(extract_delegate_segments=True, run_reinplace_pass=True)
        return bytes(edge.to_executorch(how).buffer)


Part = tuple[nn.Module, tuple[Tensor, ...], tuple[dict[int, Any], ...]]
"""A method: its module, inputs to trace it with, and which of their dimensions are free."""


def _parts(model: Lapis | Decoder, forms: Forms, size: Size) -> dict[str, Part]:
    model = copy.deepcopy(model).float().eval().requires_grad_(False)
    decoder = text_of(model)
    tokens = torch.export.Dim("tokens", min=1, max=size.chunk)
    sample_T = torch.arange(2)
    embedding = Embedding(decoder.embedding.weight.detach(), forms.decoder)
    text = Text(decoder, size.length, forms.kv)
    x_1TD = torch.zeros(1, 2, decoder.config.width)
    parts: dict[str, Part] = {
        "token_embedding": (embedding, (sample_T[None],), ({1: tokens},)),
        "text_decoder": (in_form(text, forms.decoder, forms.group), (x_1TD, sample_T), ({1: tokens}, {0: tokens})),
    }
    if isinstance(model, Lapis):
        side, batch = model.config.vit.tile, torch.export.Dim("tiles", min=1, max=size.tiles)
        tiles_NSS3 = torch.zeros(2, side, side, 3, dtype=torch.uint8)
        parts["vision_encoder"] = (in_form(Vision(model), forms.vit, forms.group), (tiles_NSS3,), ({0: batch},))
    return parts


def in_form(module: nn.Module, bits: Bits, group: int) -> nn.Module:
    """The module with its linear layers on grids, in the operators that XNNPACK knows (torchao's)."""
    if bits == "fp32":
        return module
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerAxis, PerGroup, quantize_

    def wanted(held: dict[int, int]) -> Callable[[nn.Module, str], bool]:
        return lambda layer, name: id(layer) in held

    how = {id(linear): grouping(linear, bits, group)[0] for _, _, linear in linears(module)}
    int4 = torch.int4  # type: ignore[attr-defined]
    for kind, weights, shared in ((4, int4, PerGroup(group)), (8, torch.int8, PerAxis(0))):
        scheme = Int8DynamicActivationIntxWeightConfig(weight_dtype=weights, weight_granularity=shared)
        quantize_(module, scheme, filter_fn=wanted({key: bits for key, bits in how.items() if bits == kind}))
    return module


def _export(module: nn.Module, sample: tuple[Tensor, ...], free: tuple[dict[int, Any], ...]) -> Any:
    return torch.export.export(module.eval(), sample, dynamic_shapes=free, strict=True)
