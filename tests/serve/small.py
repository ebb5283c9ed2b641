"""A tokenizer of single bytes and models small enough to check token by token."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as RawTokenizer

from lapis import chat, config

TILES = 4
"""Tokens of a tile of 56 px: 4 x 4 patches, shuffled 2 x 2."""


def byte_tokenizer() -> chat.Tokenizer:
    """Every byte is a token, after the special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {name: number for number, name in enumerate([*chat.SPECIALS, *alphabet])}
    raw = RawTokenizer(models.BPE(vocab=vocab, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in chat.SPECIALS])
    return chat.Tokenizer(raw, TILES)


def small_shape() -> config.Model:
    return config.Model(
        config.ViT(width=16, layers=1, heads=2, mlp=32, tile=56),
        config.Adapter(hidden=32),
        config.Decoder(width=32, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=48, vocab=272),
        config.AnyRes(columns=2, rows=2, thumbnail="several"),
    )


def spread(model: Any) -> Any:
    """Larger weights than a fresh model's, so that what it writes depends on all of its input."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.3)
    return model.requires_grad_(False)
