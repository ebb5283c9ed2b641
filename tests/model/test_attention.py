"""`attend` against a naive oracle in all its paths, with gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lapis.model import attention


def naive(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, documents_BT: Tensor) -> Tensor:
    """Softmax attention with a dense mask, fp64; zero on padding."""
    repeat = q_BTHD.shape[2] // k_BTGD.shape[2]
    k, v = (x.double().repeat_interleave(repeat, 2) for x in (k_BTGD, v_BTGD))
    scores = torch.einsum("bthd,bshd->bhts", q_BTHD.double(), k) * q_BTHD.shape[-1] ** -0.5
    length = q_BTHD.shape[1]
    seen = (documents_BT[:, :, None] == documents_BT[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril()
    weights = scores.masked_fill(~seen[:, None], float("-inf")).softmax(-1)
    out = torch.einsum("bhts,bshd->bthd", weights, v)
    return out * (documents_BT >= 0)[..., None, None]


LAYOUTS = {
    "whole": [[0] * 12, [3] * 12],
    "padded": [[0] * 12, [0] * 7 + [-1] * 5],
    "empty row": [[-1] * 12, [0] * 12],
    "packed": [[0] * 5 + [1] * 3 + [2] * 4, [0] * 6 + [1] + [-1] * 5],
    "padding between": [[0] * 4 + [-1] * 2 + [1] * 6, [-1] * 3 + [0] * 9],
    "alike across rows": [[0] * 6 + [7] * 6, [7] * 6 + [0] * 6],
}


def heads(seed: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = [(2, 12, 4, 16), (2, 12, 2, 16), (2, 12, 2, 16)]
    return [torch.randn(size, generator=generator).to(dtype).requires_grad_() for size in sizes]


@pytest.mark.parametrize("name", LAYOUTS)
def test_equals_the_oracle_with_gradients(name: str) -> None:
    documents_BT = torch.tensor(LAYOUTS[name], dtype=torch.int32)
    mine, twin = heads(0), heads(0)
    out = attention.attend(*mine, documents_BT)
    expected = naive(*twin, documents_BT)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-6)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    for x, y in zip(mine, twin, strict=True):
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYOUTS)
def test_bf16_takes_its_own_path_to_the_same(name: str) -> None:
    documents_BT = torch.tensor(LAYOUTS[name], dtype=torch.int32)
    q, k, v = heads(0, torch.bfloat16)
    out = attention.attend(q, k, v, documents_BT)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), naive(q, k, v, documents_BT), rtol=0.03, atol=0.03)
    out.float().sum().backward()
    assert q.grad is not None and bool(q.grad.isfinite().all())


def test_no_documents_means_one_a_row() -> None:
    q, k, v = heads(0)
    whole = torch.zeros(2, 12, dtype=torch.int32)
    assert torch.equal(attention.attend(q, k, v), attention.attend(q, k, v, whole))


def test_full_attention_sees_all() -> None:
    for dtype, close in ((torch.float32, 1e-5), (torch.bfloat16, 0.03)):
        q = heads(0, dtype)[0]
        scores = torch.einsum("bthd,bshd->bhts", q.double(), q.double()) / 4
        expected = torch.einsum("bhts,bshd->bthd", scores.softmax(-1), q.double())
        torch.testing.assert_close(attention.full(q, q, q).double(), expected, rtol=close, atol=close)


def test_full_attention_of_no_tiles() -> None:
    none = torch.zeros(0, 5, 2, 16)
    assert attention.full(none, none, none).shape == (0, 5, 2, 16)
