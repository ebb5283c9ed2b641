"""`attend` against a naive oracle in all its paths, with gradients, and the KV cache."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lapis.model import attention
from tests.model.shared import DECODER


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
def test_the_mask_of_a_gpu_says_the_same(name: str) -> None:
    documents_BT = torch.tensor(LAYOUTS[name], dtype=torch.int32)
    q, k, v = (x.detach() for x in heads(0))
    out = attention.layout(documents_BT).flex.attend(q, k, v, documents_BT < 0)
    torch.testing.assert_close(out.double(), naive(q, k, v, documents_BT), rtol=1e-5, atol=1e-6)


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


@pytest.mark.parametrize("slots", [[0, 1], [2, 0]])
def test_a_cache_gives_what_one_pass_gives(slots: list[int]) -> None:
    q, k, v = heads(3)
    expected = attention.attend(q, k, v)
    cache = attention.KVCache(DECODER, slots=3, length=12, dtype=torch.float32)
    done = []
    for start, end in ((0, 5), (5, 6), (6, 12)):
        positions = torch.arange(start, end).expand(2, -1)
        keys, values, mask = cache.select(slots).update(1, k[:, start:end], v[:, start:end], positions)
        assert keys.shape == (2, end, 2, 16) and mask.shape == (2, end - start, end)
        done.append(attention.attend_cache(q[:, start:end], keys, values, mask))
    torch.testing.assert_close(torch.cat(done, 1), expected, rtol=1e-5, atol=1e-6)


def test_rows_of_different_lengths_share_a_step() -> None:
    q, k, v = heads(4)
    cache = attention.KVCache(DECODER, slots=2, length=12, dtype=torch.float32)
    starts = torch.tensor([[3], [7]])
    for row, start in enumerate((3, 7)):
        view = cache.select([row])
        view.update(0, k[row : row + 1, :start], v[row : row + 1, :start], torch.arange(start)[None])
    at = [k[torch.arange(2), starts[:, 0]][:, None], v[torch.arange(2), starts[:, 0]][:, None]]
    keys, values, mask = cache.select([0, 1]).update(0, *at, starts)
    out = attention.attend_cache(q[torch.arange(2), starts[:, 0]][:, None], keys, values, mask)
    expected = attention.attend(q, k, v)[torch.arange(2), starts[:, 0]][:, None]
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-6)


def test_padding_is_not_written() -> None:
    _, k, v = heads(5)
    cache = attention.KVCache(DECODER, slots=2, length=12, dtype=torch.float32)
    positions = torch.tensor([[0, 1, 2, 3], [0, 1, -1, -1]])
    _, _, mask = cache.select([0, 1]).update(0, k[:, :4], v[:, :4], positions)
    assert torch.equal(cache.k[0][1, :2], k[1, :2]) and not cache.k[0][1, 2:].any()
    assert mask[1].tolist() == [[True, False, False, False], [True, True, False, False], *[[True] + [False] * 3] * 2]


def test_a_shared_prompt_is_copied() -> None:
    _, k, v = heads(6)
    cache = attention.KVCache(DECODER, slots=3, length=12, dtype=torch.float32)
    cache.select([1]).update(0, k[:1], v[:1], torch.arange(12)[None])
    cache.copy(1, [0, 2], 5)
    for slot in (0, 2):
        assert torch.equal(cache.k[0][slot, :5], k[0, :5]) and not cache.k[0][slot, 5:].any()
        assert torch.equal(cache.v[0][slot, :5], v[0, :5])


def test_a_position_past_the_cache_is_refused() -> None:
    _, k, v = heads(7)
    cache = attention.KVCache(DECODER, slots=2, length=8, dtype=torch.float32)
    with pytest.raises(IndexError, match="position 11 is past the cache's 8 tokens"):
        cache.select([0, 1]).update(0, k, v, torch.arange(12).expand(2, 12))
