"""What a context rank's mask on a GPU shows its slices: what the whole row's attention shows them."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from lapis.dist.context import Gathered
from lapis.dist.exchange import Group
from lapis.model import attention

OWN = {0: (0, 1, 2, 9, 10, 11), 1: (3, 4, 5, 6, 7, 8)}
"""Tokens of two ranks: mirrored slices."""


@pytest.mark.parametrize("rank", OWN)
def test_a_slice_sees_what_its_tokens_see_in_the_row(rank: int) -> None:
    documents_BT = torch.tensor([[0] * 5 + [1] * 3 + [2] * 4, [0] * 6 + [1] + [-1] * 5], dtype=torch.int32)
    rng = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 12, heads, 16, generator=rng) for heads in (4, 2, 2))
    own_T, every = torch.tensor(OWN[rank]), torch.arange(12)
    mine = Gathered(documents_BT, every, every, own_T, cast(Group, None))
    out = mine.flex.attend(q[:, own_T], k, v, documents_BT[:, own_T] < 0)
    torch.testing.assert_close(out, attention.attend(q, k, v, documents_BT)[:, own_T], rtol=1e-5, atol=1e-6)
