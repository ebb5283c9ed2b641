"""How a decoder that has read nothing begins: able to look back (ours; measured in LOG.md).

Unusual: a small decoder needs some ten thousand questions before heads form that find what followed the same words
earlier (induction heads, arXiv 2209.11895), and copying, arithmetic and pointing all wait for them. So these heads are
written down, not drawn: in the first layer three heads take the three tokens before; in the second a head looks for the
place whose two tokens before are the present one and its predecessor, and proposes what stands there. It needs a
constant in every token (dimension 0), so that a head can look at places alone. All of it is ordinary weights of the
ordinary architecture, and trains on; the other heads of the two layers are silent at first.

Shape legend: D width, E head dimension, P = E / 2 rotated pairs, C numbers of a token's code, S rows of `qkv`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lapis import config
from lapis.model.decoder import Attention, Decoder, Layer, RMSNorm, frequencies, head_rows

STEPS = 3
"""Tokens before each that it is told of."""
BACK = 2
"""Tokens that a match compares."""
LEAST = 8
"""Fewest numbers of a code that still tell tokens apart."""
CONSTANT = 0.6
"""Dimension 0 of every embedding; the others have a deviation of 0.1."""
STEP_GAIN, MATCH_GAIN = 4.0, 3.0
"""Sharpness of the heads: 8 x this is the score of a perfect fit (E = 64)."""
PASS, PROPOSE = 0.15, 0.3
"""How loudly a copied code and a proposal are written: enough to be found, too little to drown the token."""
FIRM = 10.0
"""What written queries and keys are multiplied by: QK-norm makes their scale free, and AdamW moves large weights
little. With rates of 1e-3 the matching head keeps 0.7 of its attention over the first ninety steps, with 2e-3 it is
lost."""
HUSH = 0.2
"""What the first MLP's output is multiplied by: as drawn, it is louder than the codes."""
SWIFT = (1.0, 1.0, 0.9, 0.8, 0.7, 0.6)
"""Strength of the fastest pairs in a look at a fixed distance: together they peak there alone."""


def lookup(decoder: Decoder) -> None:
    """Write the start into a decoder in place; one that has no QK-norm or too little room stays as it was drawn."""
    shape = decoder.config
    back, size = min(BACK, shape.heads), min(shape.head_dim, (shape.width - 1) // (STEPS + 1))
    if not shape.qk_norm or shape.layers < 2 or size < LEAST:
        return
    first, second = (layer for layer in decoder.layers[:2] if isinstance(layer, Layer))
    codes = _codes(shape.width, size)
    decoder.embedding.weight.data[:, 0] = CONSTANT
    _sharpen(first.attention, STEP_GAIN)
    first.mlp.down.weight.data *= HUSH
    for number in range(min(STEPS, shape.heads)):
        _step_back(first.attention, shape, number, codes)
    _sharpen(second.attention, MATCH_GAIN)
    _match(second.attention, shape, back, codes)


def _codes(width: int, size: int) -> list[Tensor]:
    """Orthonormal rows [C, D] that touch dimension 0 nowhere: a token's own code, and where each one before is told."""
    drawn = torch.randn(width - 1, width - 1, generator=torch.Generator().manual_seed(0))
    rows = torch.linalg.qr(drawn)[0]
    parts = [torch.zeros(size, width) for _ in range(STEPS + 1)]
    for number, part in enumerate(parts):
        part[:, 1:] = rows[number * size : (number + 1) * size]
    return parts


def _sharpen(attention: Attention, gain: float) -> None:
    attention.out.weight.data.zero_()
    for norm in (attention.q_norm, attention.k_norm):
        assert isinstance(norm, RMSNorm)
        norm.weight.data.fill_(gain**0.5)


def _rows(shape: config.Decoder, head: int) -> tuple[slice, slice, slice]:
    """Rows of `qkv` of a query head, and of its group's keys and values."""
    queries_HE, keys_GE, values_GE = head_rows(shape)
    group = head // (shape.heads // shape.kv_heads)
    firsts = (int(rows[0]) for rows in (queries_HE[head], keys_GE[group], values_GE[group]))
    query, key, value = (slice(first, first + shape.head_dim) for first in firsts)
    return query, key, value


def _step_back(attention: Attention, shape: config.Decoder, head: int, codes: list[Tensor]) -> None:
    """A head passes on the code of the token `head + 1` places before. Keys are turned by the steps of the group's
    first head, and the queries of its others by what they go beyond it."""
    query, key, value = _rows(shape, head)
    weight_SD, angles_P = attention.qkv.weight.data, frequencies(shape, torch.device("cpu"))[0]
    swift_P = torch.zeros(len(angles_P))
    swift_P[: len(SWIFT)] = torch.tensor(SWIFT)[: len(angles_P)]
    beyond = head % (shape.heads // shape.kv_heads)
    weight_SD[query], weight_SD[key], weight_SD[value] = 0.0, 0.0, 0.0
    weight_SD[query, 0] = FIRM * _turned(swift_P, -beyond * angles_P)
    weight_SD[key, 0] = FIRM * _turned(swift_P, (head + 1 - beyond) * angles_P)
    weight_SD[value][: len(codes[0])] = codes[0]
    column = head * shape.head_dim
    attention.out.weight.data[:, column : column + len(codes[0])] = PASS * codes[head + 1].T


def _turned(pairs_P: Tensor, by_P: Tensor) -> Tensor:
    """A vector whose pairs are turned by an angle each."""
    return torch.cat((pairs_P * by_P.cos(), pairs_P * by_P.sin()))


def _match(attention: Attention, shape: config.Decoder, back: int, codes: list[Tensor]) -> None:
    """The first head compares its token and the ones before with what stands before each place, by slow pairs alone,
    which no distance turns far."""
    query, key, value = _rows(shape, 0)
    weight_SD, pairs = attention.qkv.weight.data, shape.head_dim // 2
    weight_SD[query], weight_SD[key], weight_SD[value] = 0.0, 0.0, 0.0
    share = min((pairs - pairs // 2) // back, len(codes[0]) // 2)
    for number in range(back):
        slow = torch.arange(share) + pairs // 2 + number * share
        places = torch.cat((slow, slow + pairs))
        weight_SD[query][places] = FIRM * codes[number][: 2 * share]
        weight_SD[key][places] = FIRM * codes[number + 1][: 2 * share]
    weight_SD[value][: len(codes[0])] = codes[0]
    attention.out.weight.data[:, : len(codes[0])] = PROPOSE * codes[0].T
