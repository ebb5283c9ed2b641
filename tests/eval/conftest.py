"""A tokenizer without merges: every byte is a token."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as RawTokenizer

from lapis import chat


@pytest.fixture(scope="session")
def tokenizer() -> chat.Tokenizer:
    """Special tokens first, then the bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {name: number for number, name in enumerate([*chat.SPECIALS, *alphabet])}
    raw = RawTokenizer(models.BPE(vocab=vocab, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in chat.SPECIALS])
    return chat.Tokenizer(raw, 4)
