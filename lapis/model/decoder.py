"""Qwen3-style decoder (also Qwen2 and Llama by config): RMSNorm, QK-norm, GQA, SwiGLU, RoPE or YaRN.

Unusual: query, key and value weights are one matrix, and gate and up another, so that a low-precision run casts each
input once; `convert` splits them into Hugging Face's names. Their rows are ordered by KV group (its queries, its key,
its value) and by block (gates, ups), so that any even cut of the rows is a whole model of fewer heads and channels. The
embedding is called apart from the layers, because image features take the place of some of its rows (`vlm.merge`).

Shape legend: B rows, T tokens, D width, H query heads, G key-value heads, R = H / G, E head dimension, F MLP width,
K blocks of it, S rows of `qkv` or `gate_up`, V vocabulary, P = E / 2 rotated pairs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapis import config
from lapis.model.attention import Cache, Documents, attend, layout

Rotation = tuple[Tensor, Tensor]
"""cos and sin, fp32 [B, T, 1, P]."""
Heads = tuple[Tensor, Tensor]
"""Queries [B, T, H, E] and keys [B, T, G, E] of a layer, normed and turned."""


class Tap(NamedTuple):
    """What passes one place between layers."""

    x_BTD: Tensor
    """What enters the layer."""
    heads: Heads | None
    """The layer's queries and keys; None behind the last layer."""


BLOCKS = 8
"""Most blocks of gates and ups, and so most ways of a cut (ours)."""


def blocks(hidden: int) -> int:
    """Blocks in which an MLP's gates and ups take turns."""
    return math.gcd(hidden, BLOCKS)


def head_rows(shape: config.Decoder) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of `qkv` of every query head [H, E], key head [G, E] and value head [G, E], int64."""
    rows = torch.arange((shape.heads + 2 * shape.kv_heads) * shape.head_dim)
    rows_GRE = rows.view(shape.kv_heads, -1, shape.head_dim)
    return rows_GRE[:, :-2].flatten(0, 1), rows_GRE[:, -2], rows_GRE[:, -1]


def channel_rows(hidden: int) -> tuple[Tensor, Tensor]:
    """Rows of `gate_up` of every gate [F] and up [F], int64."""
    gate_KF, up_KF = torch.arange(2 * hidden).view(blocks(hidden), 2, -1).unbind(1)
    return gate_KF.flatten(), up_KF.flatten()


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension, in x's dtype (statistics in fp32)."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


def frequencies(shape: config.Decoder, device: torch.device) -> tuple[Tensor, float]:
    """Angle per position of each rotated pair, fp32 [P], and the factor on cos and sin.

    Without `yarn` these are RoPE's, or Llama 3's. With it fast pairs keep their angle, slow ones turn `factor` times
    slower, and a ramp lies between (YaRN, arXiv 2309.00071, section 3.2), with its attention factor 0.1 ln(factor) + 1.
    """
    dim = shape.head_dim
    wavelengths_P = shape.rope_theta ** (torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    if shape.yarn is None:
        return _stretched(1.0 / wavelengths_P, shape.llama3), 1.0
    yarn = shape.yarn
    low = max(math.floor(_pair_of(yarn.beta_fast, shape, yarn.original)), 0)
    high = min(math.ceil(_pair_of(yarn.beta_slow, shape, yarn.original)), dim - 1)
    pairs_P = torch.arange(dim // 2, dtype=torch.float32, device=device)
    slow_P = ((pairs_P - low) / max(high - low, 1e-3)).clamp(0, 1)
    angles_P = slow_P / (yarn.factor * wavelengths_P) + (1 - slow_P) / wavelengths_P
    return angles_P, 0.1 * math.log(yarn.factor) + 1.0


def _stretched(angles_P: Tensor, how: config.Llama3 | None) -> Tensor:
    """Llama 3's ramp is over turns, not over pairs as YaRN's: by how often a pair turns in the original context."""
    if how is None:
        return angles_P
    turns_P = how.original * angles_P / (2 * math.pi)
    kept_P = ((turns_P - how.slow) / (how.fast - how.slow)).clamp(0, 1)
    return (1 - kept_P) * angles_P / how.factor + kept_P * angles_P


def _pair_of(turns: float, shape: config.Decoder, original: int) -> float:
    """Index of the pair that turns so many times over the original context."""
    return shape.head_dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(shape.rope_theta))


def rotation(shape: config.Decoder, positions_BT: Tensor) -> Rotation:
    """cos and sin of every position, fp32 [B, T, 1, P]."""
    angles_P, factor = frequencies(shape, positions_BT.device)
    turns = (positions_BT[..., None].float() * angles_P)[:, :, None]
    return turns.cos() * factor, turns.sin() * factor


def rotate(x_BTHE: Tensor, turn: Rotation) -> Tensor:
    """Rotate pair (i, i + P) of each head by its position's angle, in x's dtype."""
    cos, sin = (part.to(x_BTHE.dtype) for part in turn)
    left, right = x_BTHE.chunk(2, -1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)


class Attention(nn.Module):
    """Grouped-query attention with normed, rotated queries and keys."""

    def __init__(self, shape: config.Decoder):
        super().__init__()
        self.group = (shape.heads // shape.kv_heads + 2, shape.head_dim)
        self.qkv = nn.Linear(shape.width, shape.kv_heads * math.prod(self.group), bias=shape.qkv_bias)
        self.out = nn.Linear(shape.heads * shape.head_dim, shape.width, bias=False)
        self.q_norm = RMSNorm(shape.head_dim, shape.eps) if shape.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(shape.head_dim, shape.eps) if shape.qk_norm else nn.Identity()

    def forward(
        self,
        x_BTD: Tensor,
        turn: Rotation,
        documents: Documents | None,
        cache: Cache | None,
        layer: int,
    ) -> tuple[Tensor, Heads]:
        groups = self.qkv(x_BTD).unflatten(-1, (-1, *self.group))
        q_BTHE = rotate(self.q_norm(groups[..., :-2, :]).flatten(2, 3), turn)
        k_BTGE, v_BTGE = rotate(self.k_norm(groups[..., -2, :]), turn), groups[..., -1, :]
        if cache is None:
            o_BTHE = attend(q_BTHE, k_BTGE, v_BTGE, documents)
        else:
            o_BTHE = cache.attend(layer, q_BTHE, k_BTGE, v_BTGE)
        return self.out(o_BTHE.flatten(2)), (q_BTHE, k_BTGE)


class MLP(nn.Module):
    """SwiGLU: down(silu(gate) x up)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.block = (2, hidden // blocks(hidden))
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate_BTKF, up_BTKF = self.gate_up(x_BTD).unflatten(-1, (-1, *self.block)).unbind(-2)
        return self.down((F.silu(gate_BTKF) * up_BTKF).flatten(2))


class Layer(nn.Module):
    """Pre-norm attention and MLP, each added to its input."""

    def __init__(self, shape: config.Decoder):
        super().__init__()
        self.norm1 = RMSNorm(shape.width, shape.eps)
        self.attention = Attention(shape)
        self.norm2 = RMSNorm(shape.width, shape.eps)
        self.mlp = MLP(shape.width, shape.mlp)

    def forward(
        self,
        x_BTD: Tensor,
        turn: Rotation,
        documents: Documents | None,
        cache: Cache | None,
        layer: int,
    ) -> tuple[Tensor, Heads]:
        """The new x, and the queries and keys that the attention turned."""
        seen_BTD, heads = self.attention(self.norm1(x_BTD), turn, documents, cache, layer)
        x_BTD = x_BTD + seen_BTD
        return x_BTD + self.mlp(self.norm2(x_BTD)), heads


class Decoder(nn.Module):
    """Embedding, layers, final norm and output matrix. Parameters: `embedding`, `layers.N`, `norm`, `head` (untied)."""

    def __init__(self, shape: config.Decoder):
        super().__init__()
        self.config = shape
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width, shape.eps)
        self.head = None if shape.tied else nn.Linear(shape.width, shape.vocab, bias=False)
        self.arrange: Callable[[Tensor], Documents] = layout
        """From document numbers to attention between them; another where rows are spread over processes."""

    @property
    def unembedding_VD(self) -> Tensor:
        """The matrix that makes logits of hidden states: the embedding itself where tied."""
        return self.embedding.weight if self.head is None else self.head.weight

    def set_yarn(self, yarn: config.Yarn | None) -> None:
        """Switch positions between RoPE (None) and YaRN; the trained range grows to factor x original."""
        longest = self.config.max_positions if yarn is None else int(yarn.factor * yarn.original)
        self.config = dataclasses.replace(self.config, yarn=yarn, max_positions=max(self.config.max_positions, longest))

    def embed(self, tokens_BT: Tensor) -> Tensor:
        """Rows of the embedding, [B, T, D]."""
        return self.embedding(tokens_BT)

    def forward(
        self,
        x_BTD: Tensor,
        positions_BT: Tensor,
        documents_BT: Tensor | None = None,
    ) -> Tensor:
        """Hidden states after the final norm, [B, T, D].

        `positions` int [B, T] restart in each document. `documents` int [B, T] (-1 = padding) keeps packed documents
        apart; None takes each row as one.
        """
        return self.tapped(x_BTD, positions_BT, documents_BT, ())[0]

    def extend(self, x_BTD: Tensor, turn: Rotation, cache: Cache) -> Tensor:
        """Like `forward`, of new tokens after those that a cache holds; `turn` is the rotation of their positions."""
        for number, layer in enumerate(self.layers):
            x_BTD, _ = layer(x_BTD, turn, None, cache, number)
        return self.norm(x_BTD)

    def tapped(
        self, x_BTD: Tensor, positions_BT: Tensor, documents_BT: Tensor | None, taps: Sequence[int]
    ) -> tuple[Tensor, tuple[Tap, ...]]:
        """Like `forward`, with what passes at the layers of `taps` (their number names the end)."""
        documents = None if documents_BT is None else self.arrange(documents_BT)
        turn, passed = rotation(self.config, positions_BT), {}
        for number, layer in enumerate(self.layers):
            entering_BTD = x_BTD
            x_BTD, heads = layer(x_BTD, turn, documents, None, number)
            if number in taps:
                passed[number] = Tap(entering_BTD, heads)
        passed[len(self.layers)] = Tap(x_BTD, None)
        return self.norm(x_BTD), tuple(passed[tap] for tap in taps)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token, [..., V], in the matrix product's dtype."""
        return F.linear(hidden, self.unembedding_VD)
