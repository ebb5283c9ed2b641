"""Shapes of the network as frozen dataclasses, and the ranges that fields of recipes have.

A field is documented by the string under it, and its range is part of its type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import with_config

Count = Annotated[int, Ge(0)]
Positive = Annotated[int, Ge(1)]
Rate = Annotated[float, Ge(0.0)]
Share = Annotated[float, Ge(0.0), Le(1.0)]
STRICT = with_config({"extra": "forbid"})
"""Of a dataclass: an unknown key is refused also inside a list of tables."""


@dataclass(frozen=True, slots=True)
class ViT:
    """Vision tower in SigLIP2's form (arXiv 2502.14786): learned positions, LayerNorm, GELU-tanh MLP."""

    width: Positive
    layers: Positive
    heads: Positive
    mlp: Positive
    patch: Positive = 14
    """Pixels of a patch's side."""
    tile: Positive = 252
    """Pixels of a tile's side; a multiple of twice the patch."""
    eps: Annotated[float, Gt(0)] = 1e-6

    @property
    def grid(self) -> int:
        """Patches along a tile's side."""
        return self.tile // self.patch


@dataclass(frozen=True, slots=True)
class Adapter:
    """2x2 neighbours concatenated, then a two-layer MLP into the decoder's width (BlueLM-V-3B, section 3)."""

    hidden: Positive
    shuffle: Positive = 2
    kind: str | None = None
    """A class of one's own in its place, `package.module:Class`; None is ours (lapis/model/adapter.py)."""


@dataclass(frozen=True, slots=True)
class Yarn:
    """YaRN (arXiv 2309.00071): context extended by `factor` over `original` positions."""

    factor: Annotated[float, Ge(1)]
    original: Positive
    beta_fast: Annotated[float, Gt(0)] = 32.0
    """Turns over the original context from which on a pair of channels is left alone."""
    beta_slow: Annotated[float, Gt(0)] = 1.0
    """Turns up to which a pair is stretched whole."""


@dataclass(frozen=True, slots=True)
class Llama3:
    """Positions of Llama 3.1 to 3.3 (arXiv 2407.21783): slow pairs of channels turn `factor` times slower."""

    factor: Annotated[float, Ge(1)] = 8.0
    original: Positive = 8192
    """Context before it was extended, in tokens."""
    slow: Annotated[float, Gt(0)] = 1.0
    """Turns over the original context up to which a pair is stretched whole."""
    fast: Annotated[float, Gt(0)] = 4.0
    """Turns from which on a pair is left alone; more than `slow`."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """Qwen3-style decoder; `qk_norm=False` with `qkv_bias` gives Qwen2, without it Llama."""

    width: Positive
    layers: Positive
    heads: Positive
    kv_heads: Positive
    head_dim: Positive
    mlp: Positive
    vocab: Positive
    rope_theta: Annotated[float, Gt(0)] = 1e6
    yarn: Yarn | None = None
    llama3: Llama3 | None = None
    """Excludes `yarn`."""
    max_positions: Positive = 4096
    """Positions that the model was trained for, in tokens (after YaRN)."""
    qk_norm: bool = True
    qkv_bias: bool = False
    tied: bool = True
    """Input and output embeddings are one matrix."""
    eps: Annotated[float, Gt(0)] = 1e-6


@dataclass(frozen=True, slots=True)
class AnyRes:
    """Tiling of an image (BlueLM-V-3B's relaxed aspect-ratio matching)."""

    columns: Positive = 4
    """Most tiles side by side."""
    rows: Positive = 4
    """Most tiles on top of each other."""
    alpha: Share = 0.1
    """How much larger the effective resolution must be to win over less waste."""
    thumbnail: Literal["always", "several"] = "always"
    """Whether a one-tile image gets a thumbnail too."""


@dataclass(frozen=True, slots=True)
class Model:
    """The whole network."""

    vit: ViT
    adapter: Adapter
    decoder: Decoder
    anyres: AnyRes = field(default_factory=AnyRes)
    image_token: Count = 10
    """Id of the `<image>` placeholder (its place in chat.SPECIALS, which our tokenizers put first)."""

    @property
    def tokens_per_tile(self) -> int:
        """Image tokens of one tile; an odd grid is padded to even."""
        return (-(-self.vit.grid // self.adapter.shuffle)) ** 2


def decoder_of(shape: Model | Decoder) -> Decoder:
    """The decoder of a whole model, or of itself."""
    return shape.decoder if isinstance(shape, Model) else shape


def tile_tokens(shape: Model | Decoder) -> int:
    """Image tokens of a tile, as a tokenizer wants them; 1 for a model that reads text only."""
    return shape.tokens_per_tile if isinstance(shape, Model) else 1
