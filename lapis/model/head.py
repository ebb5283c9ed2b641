"""A scalar on a decoder: how much an answer is worth, read from the hidden state of its last token.

The head is no part of the model: it is a module of its own in a file of its own, and the decoder below stays one that
stock engines load.

Shape legend: L tokens of a row, N sequences in it, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapis.model.decoder import Decoder


class ScalarHead(nn.Module):
    """w . h without a bias: differences of scores are all that preferences say."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width) / width)

    def forward(self, hidden_ND: Tensor) -> Tensor:
        """float32 [N]."""
        return hidden_ND.float() @ self.weight.float()


class Scorer(nn.Module):
    """A decoder with a scalar head."""

    def __init__(self, decoder: Decoder, head: ScalarHead):
        super().__init__()
        self.decoder, self.head = decoder, head

    def forward(self, tokens_1L: Tensor, positions_1L: Tensor, documents_1L: Tensor, last_N: Tensor) -> Tensor:
        """Scores float32 [N] of the sequences that are packed into a row.

        tokens int64, positions int64 (they restart in each sequence), documents int32 (the sequence's number), and
        `last` int64, the place of each one's last token.
        """
        hidden_1LD = self.decoder(self.decoder.embed(tokens_1L), positions_1L, documents_1L)
        return self.head(hidden_1LD[0, last_N])
