"""The written-down start of a decoder: its heads look where they should before any training."""

from __future__ import annotations

import torch

from lapis import config
from lapis.model.decoder import Decoder, rotate, rotation
from lapis.model.init import fresh

SHAPE = config.Decoder(
    width=256, layers=4, heads=4, kv_heads=2, head_dim=64, mlp=512, vocab=1024, rope_theta=1e4, max_positions=512
)
HALF, GAP = 60, 20


def looked(decoder: Decoder, tokens: torch.Tensor, depth: int, head: int) -> torch.Tensor:
    """Attention of one head of a layer, [T, T]."""
    positions = torch.arange(tokens.shape[1])[None]
    turn, x = rotation(decoder.config, positions), decoder.embed(tokens)
    for number, layer in enumerate(decoder.layers[:depth]):
        x, _ = layer(x, turn, None, None, number)
    attention = decoder.layers[depth].attention
    heads = attention.qkv(decoder.layers[depth].norm1(x)).unflatten(-1, (2, 4, 64))
    q, k = attention.q_norm(heads[..., :2, :]).flatten(2, 3), attention.k_norm(heads[..., 2, :])
    q, k = rotate(q, turn), rotate(k, turn)
    scores = q[0, :, head] @ k[0, :, head // 2].T / 8
    return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -1e9).softmax(-1)


def repeated() -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    text = torch.randint(0, 1024, (HALF,), generator=random)
    return torch.cat((text, torch.randint(0, 1024, (GAP,), generator=random), text))[None]


@torch.no_grad()
def test_three_heads_step_back_and_one_finds_what_followed() -> None:
    decoder, tokens = fresh(SHAPE, 0), repeated()
    at = torch.arange(HALF + GAP + 2, tokens.shape[1] - 1)
    for head in range(3):
        assert looked(decoder, tokens, 0, head)[at, at - head - 1].mean() > 0.95
    assert looked(decoder, tokens, 1, 0)[at, at - (HALF + GAP) + 1].mean() > 0.7


@torch.no_grad()
def test_what_followed_becomes_likelier() -> None:
    decoder, tokens = fresh(SHAPE, 0), repeated()
    logits = decoder.logits(decoder(decoder.embed(tokens), torch.arange(tokens.shape[1])[None]))[0]
    again = slice(HALF + GAP + 2, tokens.shape[1] - 1)
    right = tokens[0, HALF + GAP + 3 :, None]
    above = (logits[again] < logits[again].gather(1, right)).float().mean()
    assert above > 0.65  # 0.5 is chance


def test_a_decoder_without_room_or_norms_stays_as_drawn() -> None:
    for changes in ({"qk_norm": False}, {"layers": 1}, {"width": 16}):
        shape = config.Decoder(**{**{name: getattr(SHAPE, name) for name in SHAPE.__dataclass_fields__}, **changes})
        assert not (fresh(shape, 0).embedding.weight[:, 0] == 0.6).any()
