"""How token embeddings begin: each with its spelling in it (ours; measured in LOG.md).

Unusual: a token that is drawn at random shares nothing with its letters, so whoever reads letters in a picture must
learn every token anew, and a rare one never. Half of a token's embedding is therefore the sum of its characters'
embeddings: image tokens that name letters are near the tokens that are written with them, seen before or not.

Shape legend: V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from lapis.model.decoder import Decoder

FIRST = 1
"""Dimensions below this one are alike in all tokens (lookup.CONSTANT) and stay as they are."""


def spell(decoder: Decoder, spelling: Mapping[int, Sequence[int]]) -> None:
    """Blend the spelling into an embedding in place, and keep its deviation.

    `spelling` maps a token to its characters' tokens (chat.Tokenizer.spelling); a character is left as it is.
    """
    weight_VD = decoder.embedding.weight.data
    drawn_VD = weight_VD[:, FIRST:].clone()
    for token, characters in spelling.items():
        if list(characters) == [token]:
            continue
        written_D = drawn_VD[torch.tensor(characters)].sum(0) / len(characters) ** 0.5
        weight_VD[token, FIRST:] = (drawn_VD[token] + written_D) / 2**0.5
