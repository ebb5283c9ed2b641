"""Low precision as a phone computes it: weights on int8 or int4 grids, activations rounded on the fly, an int8 cache.

Unusual: everything stays fp32 tensors whose values lie on the grids, so the quality of a form is measured by the same
engine and tasks as the model itself. Our own code, because torchao's int4 has no CPU path; its grids are the same as
those that the exported program is made with, tested.

Shape legend: O outputs, I inputs of a matrix, K groups of its inputs, S their size, T tokens, D width, V vocabulary,
B rows, H query heads, G key-value heads, E head dimension.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapis.model.attention import Cache, causal
from lapis.model.decoder import Decoder, Rotation, rotation
from lapis.model.vlm import Lapis
from lapis.types import InputError

Bits = Literal["fp32", "int8", "int4"]
SMALLEST = float(torch.finfo(torch.float32).eps)
"""Least step of a grid, so that a row of zeros has one."""


@dataclass(frozen=True, slots=True)
class Forms:
    """Which part is kept in which form. The defaults are those of BlueLM-V-3B on a phone (C); the group is ours."""

    vit: Literal["fp32", "int8"] = "int8"
    """Weights of ViT and adapter, a step for each output; activations int8, a step for each token."""
    decoder: Bits = "int4"
    """The decoder's matrices: int4 in groups of inputs, symmetric, or int8, a step for each output; activations as in
    the ViT. The embedding is int8, a step for each token, in either."""
    kv: Literal["fp32", "int8"] = "int8"
    """Keys and values, a step for each token and head."""
    group: int = 32
    """Inputs that share a step in int4; a matrix whose inputs are no multiple is int8."""

    def __post_init__(self) -> None:
        """Raises InputError for a group that kernels do not take."""
        if self.group < 32 or self.group % 32:
            raise InputError(f"group: {self.group}, expected a multiple of 32")


def grouping(linear: nn.Linear, bits: Bits, group: int) -> tuple[int, int]:
    """(bits, inputs that share a step) of a matrix: int4 where its inputs are whole groups, else int8 by output."""
    if bits == "int4" and linear.in_features % group == 0:
        return 4, group
    return 8, linear.in_features


def grid(weight_OI: Tensor, bits: int, group: int) -> tuple[Tensor, Tensor]:
    """Symmetric steps: whole numbers int8 [O, I] and the size of a step fp32 [O, K]."""
    half = 2 ** (bits - 1)
    weight_OKS = weight_OI.float().unflatten(1, (-1, group))
    step_OK1 = (weight_OKS.abs().amax(-1, keepdim=True) / (half - 0.5)).clamp_min(SMALLEST)
    # The largest lies half-way between two steps; times the inverse, it falls to the side where torchao's does.
    whole_OKS = torch.round(weight_OKS * (1.0 / step_OK1)).clamp(-half, half - 1)
    return whole_OKS.flatten(1).to(torch.int8), step_OK1[..., 0]


def on_grid(weight_OI: Tensor, bits: int, group: int) -> Tensor:
    """The weights that a grid can say, in place of these."""
    whole_OI, step_OK = grid(weight_OI, bits, group)
    return (whole_OI.float().unflatten(1, (-1, group)) * step_OK[..., None]).flatten(1).to(weight_OI.dtype)


def rows_int8(x: Tensor) -> tuple[Tensor, Tensor]:
    """int8 numbers and the step of each last dimension, kept as one: for the embedding and for keys and values."""
    step = (x.abs().amax(-1, keepdim=True) / 127).clamp_min(SMALLEST)
    return torch.round(x / step).to(torch.int8), step


def rounded_rows(x: Tensor) -> Tensor:
    """The values that `rows_int8` keeps."""
    whole, step = rows_int8(x)
    return whole.to(x.dtype) * step


def rounded_inputs(x: Tensor) -> Tensor:
    """Activations on 256 steps between the least and the largest of each token, zero among them (asymmetric int8)."""
    low, high = x.amin(-1, keepdim=True).clamp_max(0), x.amax(-1, keepdim=True).clamp_min(0)
    step = ((high - low) / 255).clamp_min(SMALLEST)
    zero = (-128 - torch.round(low / step)).clamp(-128, 127)
    return ((torch.round(x / step) + zero).clamp(-128, 127) - zero) * step


class Rounded(nn.Module):
    """A linear layer with weights on a grid and inputs rounded token by token."""

    def __init__(self, linear: nn.Linear, bits: Bits, group: int):
        super().__init__()
        self.weight = nn.Parameter(on_grid(linear.weight.detach(), *grouping(linear, bits, group)), False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(rounded_inputs(x), self.weight, self.bias)


class Alone:
    """A cache of one call: what is handed in is all there is to see."""

    def attend(self, layer: int, q_BTHE: Tensor, k_BTGE: Tensor, v_BTGE: Tensor) -> Tensor:
        return causal(q_BTHE, k_BTGE, v_BTGE)


class RoundedCache:
    """A cache that is handed keys and values as int8 would keep them, whichever stands behind it."""

    def __init__(self, cache: Cache):
        self._cache = cache

    def attend(self, layer: int, q_BTHE: Tensor, k_BTGE: Tensor, v_BTGE: Tensor) -> Tensor:
        return self._cache.attend(layer, q_BTHE, rounded_rows(k_BTGE), rounded_rows(v_BTGE))


class RoundedDecoder(Decoder):
    """A decoder in a form; its output matrix is one of its own even where the embedding is tied."""

    def __init__(self, decoder: Decoder, forms: Forms):
        super().__init__(decoder.config)
        self.load_state_dict(decoder.state_dict())
        self.requires_grad_(False)
        self.kv = forms.kv
        self.out: nn.Module = unembedding(decoder)
        if forms.decoder != "fp32":
            self.embedding.weight.copy_(rounded_rows(self.embedding.weight))
            replace(self, forms.decoder, forms.group)

    def forward(self, x_BTD: Tensor, positions_BT: Tensor, documents_BT: Tensor | None = None) -> Tensor:
        """As the decoder's, for rows of one document, since a phone has no packed ones."""
        return self.extend(x_BTD, rotation(self.config, positions_BT), Alone())

    def extend(self, x_BTD: Tensor, turn: Rotation, cache: Cache) -> Tensor:
        """As the decoder's."""
        return super().extend(x_BTD, turn, RoundedCache(cache) if self.kv == "int8" else cache)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token, [..., V]."""
        return self.out(hidden)


def unembedding(decoder: Decoder) -> nn.Linear:
    """The output matrix as a layer of its own."""
    weight_VD = decoder.unembedding_VD.detach()
    head = nn.Linear(weight_VD.shape[1], weight_VD.shape[0], bias=False, device="meta")
    head.weight = nn.Parameter(weight_VD.clone(), requires_grad=False)
    return head


def linears(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    """Every linear layer with the module that holds it and its name there."""
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                yield parent, name, child


def replace(module: nn.Module, bits: Bits, group: int) -> None:
    """Put rounded layers in the place of all linear ones."""
    for parent, name, linear in list(linears(module)):
        setattr(parent, name, Rounded(linear, bits, group))


@torch.no_grad()
def quantised(model: Lapis | Decoder, forms: Forms) -> Lapis | Decoder:
    """A copy of the model as a phone with these forms would compute it, in fp32 tensors."""
    if isinstance(model, Decoder):
        return RoundedDecoder(model, forms)
    copied = copy.deepcopy(model).requires_grad_(False)
    copied.decoder = RoundedDecoder(model.decoder, forms)
    if forms.vit == "int8":
        for part in (copied.vit, copied.adapter):
            replace(part, "int8", forms.group)
    return copied
