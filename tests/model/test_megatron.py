"""A decoder's tensors in Megatron-core's layout: where each row goes, every way there and back, what cannot be cut."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from torch import Tensor

from lapis import config
from lapis.model import convert, init
from lapis.model.decoder import Decoder
from lapis.model.megatron import Layout, cut, join
from lapis.types import InputError
from tests.model.shared import DECODER

FAMILIES = {
    "qwen3": DECODER,
    "qwen2": dataclasses.replace(DECODER, qk_norm=False, qkv_bias=True, tied=False),
    "llama": dataclasses.replace(DECODER, qk_norm=False, tied=False),
}


def state_of(shape: config.Decoder) -> dict[str, Tensor]:
    """Every tensor drawn, norms and biases too."""
    module = init.fresh(shape, 0)
    assert isinstance(module, Decoder)
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(value.shape, generator=generator) for name, value in convert.to_hf(module).items()}


@pytest.mark.parametrize("spec", ["te", "local"])
@pytest.mark.parametrize("tp", [1, 2, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_there_and_back_is_exact(family: str, tp: int, spec: str) -> None:
    """4 ranks share 2 key-value heads, too: Megatron then gathers the rows of a group."""
    shape = FAMILIES[family]
    state = state_of(shape)
    ranks = cut(state, shape, Layout(spec, tp, 16))
    assert len(ranks) == tp and all(rank.keys() == ranks[0].keys() for rank in ranks)
    back = join(ranks, shape)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_rows_of_a_group_are_its_queries_its_key_its_value() -> None:
    state = state_of(DECODER)
    (whole,) = cut(state, DECODER, Layout())
    fused = whole["decoder.layers.1.self_attention.linear_qkv.weight"].view(2, 4, 16, 64)
    q, k, v = (state[f"model.layers.1.self_attn.{part}_proj.weight"].view(-1, 16, 64) for part in "qkv")
    for group in range(2):
        assert torch.equal(fused[group], torch.stack((q[2 * group], q[2 * group + 1], k[group], v[group])))


def test_a_rank_has_its_gates_over_its_ups_and_its_columns() -> None:
    state = state_of(DECODER)
    ranks = cut(state, DECODER, Layout(tp=2))
    gate, up, down = (state[f"model.layers.0.mlp.{part}_proj.weight"] for part in ("gate", "up", "down"))
    for rank, rows in zip(ranks, (slice(0, 48), slice(48, 96)), strict=True):
        assert torch.equal(rank["decoder.layers.0.mlp.linear_fc1.weight"], torch.cat((gate[rows], up[rows])))
        assert torch.equal(rank["decoder.layers.0.mlp.linear_fc2.weight"], down[:, rows])


def test_the_vocabulary_is_padded_with_its_last_row() -> None:
    shape = FAMILIES["llama"]
    state = state_of(shape)
    ranks = cut(state, shape, Layout(tp=2, multiple=128))
    for theirs, ours in (("embedding.word_embeddings", "model.embed_tokens"), ("output_layer", "lm_head")):
        table = torch.cat([rank[f"{theirs}.weight"] for rank in ranks])
        assert table.shape == (512, 64) and torch.equal(table[:420], state[f"{ours}.weight"])
        assert torch.equal(table[420:], table[419:420].expand(92, -1))


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (Layout(tp=0), "tp 0: expected 1 or more"),
        (Layout(multiple=0), "vocab-multiple 0: expected 1 or more"),
        (Layout(tp=3), "tp 3: expected a divisor or a multiple of the 2 key-value heads"),
        (Layout(tp=8), "tp 8: 4 query heads do not share evenly, expected a divisor"),
    ],
)
def test_a_cut_that_megatron_does_not_make_is_refused(layout: Layout, line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}"):
        cut(state_of(DECODER), DECODER, layout)


def test_an_mlp_that_ranks_cannot_share_is_refused() -> None:
    with pytest.raises(InputError, match="^tp 2: 35 channels of the MLP do not share evenly"):
        cut({}, dataclasses.replace(DECODER, mlp=35), Layout(tp=2))


def test_a_tensor_of_another_size_is_named() -> None:
    state = state_of(DECODER)
    name = "model.layers.0.self_attn.k_proj.weight"
    with pytest.raises(InputError, match=rf"^{name}: its size is \[16, 64\], expected \[32, 64\]$"):
        cut(state | {name: state[name][:16]}, DECODER, Layout())
    with pytest.raises(InputError, match=rf"^tensor {name} is missing$"):
        cut({other: value for other, value in state.items() if other != name}, DECODER, Layout())


FC1, NORM = "decoder.layers.0.mlp.linear_fc1.weight", "decoder.final_layernorm.weight"


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        ({FC1: None}, f"mp_rank_01: tensor {FC1} is missing"),
        ({"decoder.layers.0.self_attention.linear_proj.bias": torch.zeros(64)}, "linear_proj.bias has no place in a"),
        ({FC1: torch.zeros(96, 32)}, f"mp_rank_01: {FC1} differs from mp_rank_00's in size or dtype"),
        ({FC1: torch.zeros(96, 64).half()}, f"mp_rank_01: {FC1} differs from mp_rank_00's in size or dtype"),
        ({NORM: torch.zeros(64)}, f"mp_rank_01: {NORM} differs from mp_rank_00's, expected the same in all ranks"),
    ],
)
def test_ranks_that_do_not_belong_together_are_refused(damage: dict[str, Tensor | None], line: str) -> None:
    first, second = cut(state_of(DECODER), DECODER, Layout(tp=2))
    broken = {name: value for name, value in (second | damage).items() if value is not None}
    with pytest.raises(InputError, match=re.escape(line)):
        join([first, broken], DECODER)


def test_weights_of_another_shape_are_refused() -> None:
    ranks = cut(state_of(DECODER), DECODER, Layout())
    with pytest.raises(InputError, match=r"linear_fc1\.weight: its size is \[192, 64\] over all ranks, expected"):
        join(ranks, dataclasses.replace(DECODER, mlp=80))
    with pytest.raises(InputError, match=r"word_embeddings\.weight: its size is \[420, 64\]"):
        join(ranks, dataclasses.replace(DECODER, vocab=500))
    flat = ranks[0] | {"decoder.layers.0.mlp.linear_fc2.weight": torch.zeros(64)}
    with pytest.raises(InputError, match=r"linear_fc2\.weight: its size is \[64\] over all ranks"):
        join([flat], DECODER)


def test_what_transformer_engine_keeps_beside_is_left_out() -> None:
    state = state_of(DECODER)
    (rank,) = cut(state, DECODER, Layout())
    extra = {"decoder.layers.0.self_attention.core_attention._extra_state": torch.zeros(1, dtype=torch.uint8)}
    assert join([rank | extra], DECODER).keys() == state.keys()
