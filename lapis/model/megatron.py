"""Decoders in Megatron-core's names, cut for tensor parallelism, and back into Hugging Face's.

Names and layouts are those of `GPTModel` in megatron-core 0.16.1, by file: `models/gpt/gpt_layer_specs.py` (which spec
keeps the norms where), `transformer/attention.py` (`SelfAttention.get_query_key_value_tensors`: rows of linear_qkv go
by KV group, its query heads, its key, its value), `transformer/mlp.py` (a rank's linear_fc1 is its gates over its ups),
`tensor_parallel/layers.py` (what is cut by rows, what by columns) and `transformer/transformer_config.py` (what can be
cut at all). The vocabulary is padded as Megatron-LM does it: up to a multiple of make_vocab_size_divisible_by x ranks
(`megatron/training`), with copies of the last row (`tools/checkpoint/saver_base.py`).
Unusual: both fused matrices are one rule. Parts take turns in groups: query, key and value in a group for each KV head,
gates and ups in one for each rank, so that an even cut of the rows gives every rank its own.

Shape legend: H query heads, G key-value heads, E head dimension, F MLP width, V vocabulary, D decoder width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lapis import config
from lapis.model.convert import to_hf
from lapis.model.decoder import Decoder
from lapis.types import InputError

State = Mapping[str, Tensor]
Spec = Literal["te", "local"]
NORMS: dict[Spec, tuple[str, str]] = {
    "te": ("self_attention.linear_qkv.layer_norm_weight", "mlp.linear_fc1.layer_norm_weight"),
    "local": ("input_layernorm.weight", "pre_mlp_layernorm.weight"),
}
"""Norms before attention and before the MLP. Transformer Engine keeps them in the matrix that follows."""
PADDED = ("embedding.word_embeddings.weight", "output_layer.weight")
EXTRA = "_extra_state"
"""Ending of what Transformer Engine keeps beside its weights (scales of fp8); it is left out."""


@dataclass(frozen=True, slots=True)
class Layout:
    """In which of Megatron's forms a decoder is written."""

    spec: Spec = "te"
    """Whose layers: Transformer Engine's or Megatron-core's own."""
    tp: int = 1
    """Ranks of tensor parallelism."""
    multiple: int = 1
    """Megatron's make_vocab_size_divisible_by."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one of Megatron's tensors is made of."""

    names: tuple[str, ...]
    """In a causal LM of Hugging Face."""
    cut: int | None = None
    """Dimension that the ranks share; None where each of them has the whole."""
    groups: int = 1
    """Groups in which rows of the parts take turns."""


def places(shape: config.Decoder, spec: Spec, tp: int) -> dict[str, Place]:
    """Every tensor of a `GPTModel` of this shape."""
    found = {
        "embedding.word_embeddings.weight": Place(("model.embed_tokens.weight",), 0),
        "decoder.final_layernorm.weight": Place(("model.norm.weight",)),
    }
    if not shape.tied:
        found["output_layer.weight"] = Place(("lm_head.weight",), 0)
    for number in range(shape.layers):
        for name, place in _layer(shape, spec, tp).items():
            names = tuple(f"model.layers.{number}.{their}" for their in place.names)
            found[f"decoder.layers.{number}.{name}"] = dataclasses.replace(place, names=names)
    return found


def _layer(shape: config.Decoder, spec: Spec, tp: int) -> dict[str, Place]:
    before_attention, before_mlp = NORMS[spec]
    found = {
        before_attention: Place(("input_layernorm.weight",)),
        before_mlp: Place(("post_attention_layernorm.weight",)),
        "self_attention.linear_proj.weight": Place(("self_attn.o_proj.weight",), 1),
        "mlp.linear_fc1.weight": Place(("mlp.gate_proj.weight", "mlp.up_proj.weight"), 0, tp),
        "mlp.linear_fc2.weight": Place(("mlp.down_proj.weight",), 1),
    }
    for leaf in ("weight", "bias") if shape.qkv_bias else ("weight",):
        names = tuple(f"self_attn.{part}_proj.{leaf}" for part in "qkv")
        found[f"self_attention.linear_qkv.{leaf}"] = Place(names, 0, shape.kv_heads)
    for part in "qk" if shape.qk_norm else "":
        found[f"self_attention.{part}_layernorm.weight"] = Place((f"self_attn.{part}_norm.weight",))
    return found


def padded_vocab(shape: config.Decoder, layout: Layout) -> int:
    """Rows of the embedding with the padding."""
    unit = layout.multiple * layout.tp
    return -(-shape.vocab // unit) * unit


def check(shape: config.Decoder, layout: Layout) -> None:
    """Raises InputError for a cut that Megatron-core does not make either."""
    tp, groups = layout.tp, shape.kv_heads
    for name, value in (("tp", tp), ("vocab-multiple", layout.multiple)):
        if value < 1:
            raise InputError(f"{name} {value}: expected 1 or more")
    if groups % tp and tp % groups:
        raise InputError(f"tp {tp}: expected a divisor or a multiple of the {groups} key-value heads")
    fused = (shape.heads + 2 * groups) * shape.head_dim
    for name, count in (("query heads", shape.heads), ("channels of the MLP", shape.mlp), ("rows of qkv", fused)):
        if count % tp:
            raise InputError(f"tp {tp}: {count} {name} do not share evenly, expected a divisor")


def cut(state: State, shape: config.Decoder, layout: Layout) -> list[dict[str, Tensor]]:
    """A state dict for each rank, of a decoder in the names of a causal LM; tensors keep their dtype.

    Raises InputError for a tensor that is missing or of another size, and for a cut that Megatron does not make.
    """
    check(shape, layout)
    sizes = _sizes(shape)
    ranks: list[dict[str, Tensor]] = [{} for _ in range(layout.tp)]
    for name, place in places(shape, layout.spec, layout.tp).items():
        whole = _fused([_sized(state, their, sizes[their]) for their in place.names], place.groups)
        if name in PADDED:
            whole = torch.cat((whole, whole[-1:].expand(padded_vocab(shape, layout) - shape.vocab, -1)))
        parts = [whole] * layout.tp if place.cut is None else whole.chunk(layout.tp, place.cut)
        for rank, part in zip(ranks, parts, strict=True):
            rank[name] = part.contiguous()
    return ranks


def join(ranks: Sequence[State], shape: config.Decoder) -> dict[str, Tensor]:
    """A decoder in the names of a causal LM, of the state dicts of all ranks in order; padding is cut off.

    Raises InputError for a tensor that is missing, too much, of another size, or not the same where ranks repeat it.
    """
    check(shape, Layout(tp=len(ranks)))
    table = places(shape, _spec(ranks[0]), len(ranks))
    _known(ranks, table)
    sizes = _sizes(shape)
    state: dict[str, Tensor] = {}
    for name, place in table.items():
        wanted = [sizes[their] for their in place.names]
        whole = _whole(name, [rank[name] for rank in ranks], place.cut)[: shape.vocab if name in PADDED else None]
        if list(whole.shape) != [sum(size[0] for size in wanted), *wanted[0][1:]]:
            joined = f"{list(whole.shape)} over all ranks"
            raise InputError(f"{name}: its size is {joined}, expected {' and '.join(map(str, wanted))}")
        state |= zip(place.names, _parts(whole, [size[0] for size in wanted], place.groups), strict=True)
    return state


def _sizes(shape: config.Decoder) -> dict[str, list[int]]:
    """Sizes of a causal LM's tensors by name."""
    with torch.device("meta"):
        return {name: list(tensor.shape) for name, tensor in to_hf(Decoder(shape)).items()}


def _sized(state: State, name: str, size: list[int]) -> Tensor:
    if name not in state:
        raise InputError(f"tensor {name} is missing")
    if list(state[name].shape) != size:
        raise InputError(f"{name}: its size is {list(state[name].shape)}, expected {size}")
    return state[name]


def _fused(parts: Sequence[Tensor], groups: int) -> Tensor:
    """Rows of the parts, taking turns in `groups` groups."""
    return torch.cat([part.unflatten(0, (groups, -1)) for part in parts], 1).flatten(0, 1)


def _parts(fused: Tensor, rows: Sequence[int], groups: int) -> list[Tensor]:
    """The parts of so many rows that `_fused` took."""
    found = fused.unflatten(0, (groups, -1)).split([count // groups for count in rows], 1)
    return [part.flatten(0, 1).clone() for part in found]


def _spec(rank: State) -> Spec:
    """Whose layers a state dict is of, by the name of a norm."""
    return "local" if any(name.endswith("." + NORMS["local"][1]) for name in rank) else "te"


def _known(ranks: Sequence[State], table: Mapping[str, Place]) -> None:
    for number, rank in enumerate(ranks):
        names = {name for name in rank if not name.endswith(EXTRA)}
        for name in sorted(names ^ set(table)):
            why = "is missing" if name in table else "has no place in a model of this config"
            raise InputError(f"mp_rank_{number:02d}: tensor {name} {why}")


def _whole(name: str, parts: Sequence[Tensor], dimension: int | None) -> Tensor:
    """A tensor of all ranks' parts, or the one that all repeat."""
    for number, part in enumerate(parts):
        if (part.shape, part.dtype) != (parts[0].shape, parts[0].dtype):
            raise InputError(f"mp_rank_{number:02d}: {name} differs from mp_rank_00's in size or dtype")
        if dimension is None and not torch.equal(part, parts[0]):
            raise InputError(f"mp_rank_{number:02d}: {name} differs from mp_rank_00's, expected the same in all ranks")
    return parts[0] if dimension is None or parts[0].ndim <= dimension else torch.cat(list(parts), dimension)
