"""Cut a trained decoder to a smaller shape by activation importance (Minitron, arXiv 2407.14679, section 2).

One pass over a small calibration set measures how large the activations of every embedding channel, KV group and MLP
channel are; the largest stay. Unusual (ours): the activation of a group or MLP channel counts as far as the next matrix
lets it into the residual stream, a KV group goes with all its query heads, RMSNorm weights are scaled for the energy
that the removed channels held, and where layers must go, those stay that change their input most (ShortGPT,
arXiv 2403.03853).

Shape legend: B rows, T tokens, D width, L layers, G KV groups, R query heads of a group, E head dimension, F MLP
channels, M tokens that count (no padding).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapis import config
from lapis.model.decoder import Decoder, Heads, Layer, channel_rows
from lapis.types import Batch, InputError


@dataclass(frozen=True, slots=True)
class Importance:
    """Mean activation magnitudes over a calibration set, fp32; larger is more important."""

    width_D: Tensor
    """|RMSNorm output| of each embedding channel, summed over all norms of the layers."""
    groups_LG: Tensor
    """L2 norm of what each group's heads write into the residual stream."""
    mlp_LF: Tensor
    """|silu(gate) x up| of each MLP channel, times the norm of its column in the down matrix."""
    layers_L: Tensor
    """1 - cosine between a layer's input and output."""
    energy_D: Tensor
    """Mean square of each embedding channel before the norms, summed over them."""


class _Meter:
    """Forward hooks that add up magnitudes while calibration rows pass through."""

    def __init__(self, teacher: Decoder):
        shape = teacher.config
        self.shape = shape
        self.tokens = 0
        self.kept_BT = torch.zeros(0, dtype=torch.bool)
        self.width_D, self.energy_D = torch.zeros(shape.width), torch.zeros(shape.width)
        self.groups_LG = torch.zeros(shape.layers, shape.kv_heads)
        self.mlp_LF = torch.zeros(shape.layers, shape.mlp)
        self.layers_L = torch.zeros(shape.layers)
        self.hooks = []
        for number, layer in enumerate(teacher.layers):
            assert isinstance(layer, Layer)
            self.hooks += self._watch(number, layer)

    def _watch(self, number: int, layer: Layer) -> list[torch.utils.hooks.RemovableHandle]:
        def norms(_: nn.Module, args: tuple[Tensor, ...], out_BTD: Tensor) -> None:
            self.width_D += self._of(out_BTD).abs().sum(0)
            self.energy_D += self._of(args[0]).square().sum(0)

        def groups(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            heads_MGS = self._of(args[0]).unflatten(1, (self.shape.kv_heads, -1))
            out_DGS = layer.attention.out.weight.float().cpu().unflatten(1, (self.shape.kv_heads, -1))
            written_MGD = torch.einsum("mgs,dgs->mgd", heads_MGS, out_DGS)
            self.groups_LG[number] += written_MGD.norm(dim=2).sum(0)

        def channels(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            reach_F = layer.mlp.down.weight.float().cpu().norm(dim=0)
            self.mlp_LF[number] += self._of(args[0]).abs().sum(0) * reach_F

        def change(_: nn.Module, args: tuple[Tensor, ...], out: tuple[Tensor, Heads]) -> None:
            same_M = F.cosine_similarity(self._of(args[0]), self._of(out[0]), dim=-1)
            self.layers_L[number] += (1 - same_M).sum()

        return [
            layer.norm1.register_forward_hook(norms),
            layer.norm2.register_forward_hook(norms),
            layer.attention.out.register_forward_pre_hook(groups),
            layer.mlp.down.register_forward_pre_hook(channels),
            layer.register_forward_hook(change),
        ]

    def _of(self, x_BTC: Tensor) -> Tensor:
        """Rows of the tokens that count, fp32 [M, channels]."""
        return x_BTC[self.kept_BT].float().cpu()

    def importance(self) -> Importance:
        count = max(self.tokens, 1)
        sums = (self.width_D, self.groups_LG, self.mlp_LF, self.layers_L, self.energy_D)
        return Importance(*(total / count for total in sums))


@torch.no_grad()
def importance(teacher: Decoder, batches: Iterable[Batch]) -> Importance:
    """Measure a decoder over text batches (their tokens, positions and documents; padding does not count)."""
    meter = _Meter(teacher)
    device = teacher.embedding.weight.device
    try:
        for batch in batches:
            here = batch.to(device)
            meter.kept_BT = here.documents_BT >= 0
            meter.tokens += int(meter.kept_BT.sum())
            teacher(teacher.embed(here.tokens_BT), here.positions_BT, here.documents_BT)
    finally:
        for hook in meter.hooks:
            hook.remove()
    return meter.importance()


def _largest(scores: Tensor, count: int) -> Tensor:
    """Indices of the largest scores, ascending."""
    return scores.topk(count).indices.sort().values


def refuse(teacher: config.Decoder, student: config.Decoder) -> None:
    """Raises InputError where the student cannot be cut out of the teacher."""
    same = ("head_dim", "vocab", "qk_norm", "qkv_bias", "tied", "rope_theta", "llama3")
    for field in same:
        if getattr(teacher, field) != getattr(student, field):
            raise InputError(f"{field}: teacher has {getattr(teacher, field)}, student {getattr(student, field)}")
    for field in ("width", "layers", "kv_heads", "mlp"):
        if getattr(student, field) > getattr(teacher, field):
            raise InputError(f"{field}: student's {getattr(student, field)} is larger than the teacher's")
    if teacher.heads * student.kv_heads != student.heads * teacher.kv_heads:
        raise InputError("heads: pruning removes whole KV groups; heads / kv_heads must be the teacher's")


@torch.no_grad()
def prune(teacher: Decoder, shape: config.Decoder, importance: Importance) -> Decoder:
    """A decoder of `shape` with the teacher's most important channels, groups and layers, in their old order.

    Raises InputError where `shape` cannot be cut out of the teacher's.
    """
    refuse(teacher.config, shape)
    width = _largest(importance.width_D, shape.width)
    energy_D = importance.energy_D
    gain = float((energy_D[width].mean() / energy_D.mean().clamp_min(1e-12)).sqrt())
    student = Decoder(dataclasses.replace(shape, yarn=teacher.config.yarn))
    _copy(student.embedding.weight, teacher.embedding.weight[:, width])
    if student.head is not None and teacher.head is not None:
        _copy(student.head.weight, teacher.head.weight[:, width])
    _copy(student.norm.weight, teacher.norm.weight[width] * gain)
    kept = _largest(importance.layers_L, shape.layers).tolist()
    for new, number in zip(student.layers, kept, strict=True):
        old = teacher.layers[number]
        assert isinstance(new, Layer) and isinstance(old, Layer)
        groups = _largest(importance.groups_LG[number], shape.kv_heads)
        channels = _largest(importance.mlp_LF[number], shape.mlp)
        _cut_attention(old, new, width, groups, teacher.config)
        _cut_mlp(old, new, width, channels)
        for name in ("norm1", "norm2"):
            _copy(getattr(new, name).weight, getattr(old, name).weight[width] * gain)
    return student


def _copy(target: Tensor, source: Tensor) -> None:
    """Fill a new parameter; sizes must agree (`copy_` alone would broadcast)."""
    assert target.shape == source.shape, (target.shape, source.shape)
    target.copy_(source)


def _cut_attention(old: Layer, new: Layer, width: Tensor, groups: Tensor, shape: config.Decoder) -> None:
    """Whole KV groups: a key head, a value head and the query heads that read them."""
    repeat = shape.heads // shape.kv_heads
    heads = (groups[:, None] * repeat + torch.arange(repeat)).flatten()
    queries = (heads[:, None] * shape.head_dim + torch.arange(shape.head_dim)).flatten()
    every = torch.arange(len(old.attention.qkv.weight)).view(shape.kv_heads, -1)
    rows = every[groups].flatten()
    _copy(new.attention.qkv.weight, old.attention.qkv.weight[rows][:, width])
    if old.attention.qkv.bias is not None:
        _copy(new.attention.qkv.bias, old.attention.qkv.bias[rows])
    _copy(new.attention.out.weight, old.attention.out.weight[width][:, queries])
    new.attention.q_norm.load_state_dict(old.attention.q_norm.state_dict())
    new.attention.k_norm.load_state_dict(old.attention.k_norm.state_dict())


def _cut_mlp(old: Layer, new: Layer, width: Tensor, channels: Tensor) -> None:
    pairs = zip(channel_rows(new.mlp.down.in_features), channel_rows(old.mlp.down.in_features), strict=True)
    for kept, every in pairs:
        new.mlp.gate_up.weight[kept] = old.mlp.gate_up.weight[every[channels]][:, width]
    _copy(new.mlp.down.weight, old.mlp.down.weight[width][:, channels])
