"""Token embeddings begin near the letters that they are written with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch.nn import functional as F

from lapis.data.tokenise import train_tokenizer
from lapis.model import init
from lapis.model.spell import FIRST, spell
from tests.model import shared

SHAPE = dataclasses.replace(shared.DECODER, width=128, vocab=400)


def test_a_word_is_near_its_letters_and_as_large_as_before(tmp_path: Path) -> None:
    spelling = train_tokenizer(["lamp lamps 灯光 "] * 40, 400, tmp_path, 4).spelling()
    decoder = init.fresh(SHAPE, 0)
    before = decoder.embedding.weight.data.clone()
    spell(decoder, spelling)
    after = decoder.embedding.weight.data
    words = [token for token, letters in spelling.items() if len(letters) > 2]
    assert words
    for token in words:
        letters = before[list(spelling[token]), FIRST:].sum(0)
        assert F.cosine_similarity(after[token, FIRST:], letters, 0) > 0.5
        assert F.cosine_similarity(before[token, FIRST:], letters, 0) < 0.4
    assert torch.equal(after[:, :FIRST], before[:, :FIRST])
    assert 0.9 < float(after[words].std() / before[words].std()) < 1.1


def test_letters_and_special_tokens_stay(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["lamp lamps "] * 40, 400, tmp_path, 4)
    spelling = tokenizer.spelling()
    decoder = init.fresh(SHAPE, 0)
    before = decoder.embedding.weight.data.clone()
    spell(decoder, spelling)
    kept = [*range(12), *(token for token, letters in spelling.items() if letters == (token,))]
    assert torch.equal(decoder.embedding.weight.data[kept], before[kept])


def test_spelling_names_characters_without_spaces(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["a lamp 灯光 "] * 40, 400, tmp_path, 4)
    spelling = tokenizer.spelling()
    (lamp,) = tokenizer.encode(" lamp")
    assert [tokenizer.decode([one]) for one in spelling[lamp]] == ["l", "a", "m", "p"]
    (letter,) = tokenizer.encode("l")
    assert spelling[letter] == (letter,)
