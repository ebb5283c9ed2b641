"""The KV cache: what a request attends to, whatever the pieces it comes in and whatever lies beside it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lapis.model import attention
from lapis.model.cache import BLOCK, KVCache, Span
from tests.model.shared import DECODER

LENGTH = 3 * BLOCK + 5
START = 2 * BLOCK


def heads(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size = DECODER.head_dim
    counts = (DECODER.heads, DECODER.kv_heads, DECODER.kv_heads)
    return [torch.randn(1, LENGTH, count, size, generator=generator) for count in counts]


def attend(cache: KVCache, parts: list[Tensor], spans: list[tuple[int, int]], start: int = START) -> Tensor:
    """Outputs of one request whose tokens come in (first, end) pieces, a forward each."""
    out = []
    for first, end in spans:
        span = Span(start, first, end - first, written=end - first == 1)
        out.append(cache.view([span]).attend(1, *(x[:, first:end] for x in parts)))
    return torch.cat(out, 1)


def cache(tokens: int = 12 * BLOCK) -> KVCache:
    return KVCache(DECODER, tokens, torch.float32)


def test_a_cache_gives_what_one_pass_gives() -> None:
    parts = heads(1)
    steps = [(0, 64), (64, 96), (96, 98), *((at, at + 1) for at in range(98, LENGTH))]
    torch.testing.assert_close(attend(cache(), parts, steps), attention.causal(*parts), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [[(0, LENGTH)], [(0, 32), (32, 96), (96, LENGTH)], [(0, 96), (96, LENGTH)]])
def test_a_prompt_is_the_same_to_the_bit_in_whatever_pieces(steps: list[tuple[int, int]]) -> None:
    parts = heads(2)
    used = cache()
    for layer in (*used.k, *used.v):
        layer.fill_(7.0)  # what an earlier request left there
    assert torch.equal(attend(used, parts, steps), attend(cache(), parts, [(0, 64), (64, LENGTH)], start=0))


def test_neighbours_and_padding_change_no_bit() -> None:
    mine, other = heads(3), heads(4)
    alone, shared = cache(), cache()
    for one in (alone, shared):
        attend(one, mine, [(0, LENGTH - 1)])
    attend(shared, other, [(0, 40)], start=6 * BLOCK)
    at = LENGTH - 1
    expected = attend(alone, mine, [(at, LENGTH)])
    spans = [Span(6 * BLOCK, 40, 1, written=True), Span(START, at, 1, written=True)]
    rows = [torch.cat((o[:, 40:41], x[:, at:], x[:, :2]), 1) for o, x in zip(other, mine, strict=True)]
    got = shared.view(spans).attend(1, *rows)
    assert torch.equal(got[:, 1], expected[:, 0]) and not got[:, 2:].any()


def test_single_queries_can_share_one_call() -> None:
    parts = heads(5)
    one, other = cache(), cache()
    for each in (one, other):
        attend(each, parts, [(0, 50)])
        attend(each, parts, [(0, 90)], start=6 * BLOCK)
    spans = [Span(START, 50, 1, written=True), Span(9 * BLOCK, 0, 40), Span(6 * BLOCK, 90, 1, written=True)]
    rows = [torch.cat((x[:, 50:51], x[:, :40], x[:, 90:91]), 1) for x in parts]
    view = other.view(spans)
    view._calls = None  # as on a GPU
    torch.testing.assert_close(view.attend(1, *rows), one.view(spans).attend(1, *rows), rtol=1e-5, atol=1e-6)


def test_a_beginning_is_copied_even_onto_itself() -> None:
    parts = heads(6)
    used = cache()
    attend(used, parts, [(0, 64)], start=0)
    used.copy(0, 32, 64)
    assert torch.equal(used.k[1][0, :, 32:96], parts[1][0, :64].transpose(0, 1)) and not used.k[1][:, :, 96:].any()


def test_a_token_past_the_cache_is_refused() -> None:
    with pytest.raises(IndexError, match="token 384 is past the cache's 384 tokens"):
        cache().view([Span(11 * BLOCK, 0, BLOCK + 1)])
