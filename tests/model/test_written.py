"""Written tokens attend the same to the bit however they are shared out, and as plain attention has it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lapis.model import written
from lapis.model.cache import BLOCK, whole
from lapis.model.written import Call, Query, calls

CELLS, STEP, GROUPS, COPIES, SIZE = 12, 4 * BLOCK, 2, 2, 16
PRODUCTS = GROUPS * COPIES * SIZE


def store(seed: int) -> Tensor:
    """A cache [1, G, N, E] full of what others left."""
    return torch.randn(1, GROUPS, CELLS * STEP, SIZE, generator=torch.Generator().manual_seed(seed))


def queries(lengths: dict[int, int]) -> list[Query]:
    """One a cell, at the last position of its run."""
    pairs = enumerate(lengths.items())
    return [Query(row, cell * STEP, length - 1, whole(length)) for row, (cell, length) in pairs]


def outputs(found: list[Call], q_TGRE: Tensor, k_1GNE: Tensor, v_1GNE: Tensor) -> Tensor:
    """Of all calls, in the queries' order."""
    out_THE = torch.full((len(q_TGRE), GROUPS * COPIES, SIZE), torch.nan)
    for call in found:
        out_THE[call.rows] = call.attend(q_TGRE, k_1GNE, v_1GNE)
    return out_THE


def plain(one: Query, q_TGRE: Tensor, k_1GNE: Tensor, v_1GNE: Tensor) -> Tensor:
    """softmax(q k / sqrt(E)) v over the run so far, [H, E]."""
    run = slice(one.start, one.start + one.at + 1)
    scores_GRM = q_TGRE[one.row] @ k_1GNE[0, :, run].transpose(1, 2) / SIZE**0.5
    return (scores_GRM.softmax(-1) @ v_1GNE[0, :, run]).flatten(0, 1)


@pytest.mark.parametrize("lengths", [{0: 5, 1: 33, 2: 128, 5: 64, 11: 1}, {3: 100}, {7: 40, 6: 40, 4: 97}])
def test_sharing_a_call_changes_no_bit(lengths: dict[int, int]) -> None:
    mine, k, v = queries(lengths), store(1), store(2)
    q = torch.randn(len(mine), GROUPS, COPIES, SIZE, generator=torch.Generator().manual_seed(3))
    together = outputs([Call(mine, STEP, k)], q, k, v)
    assert torch.equal(together, outputs([Call([one], 0, k) for one in mine], q, k, v))
    expected = torch.stack([plain(one, q, k, v) for one in mine])
    torch.testing.assert_close(together, expected, rtol=1e-5, atol=1e-6)


def test_one_long_run_stays_apart_and_every_query_is_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "KEY", written.CALL / PRODUCTS / (2 * BLOCK))
    found = calls(queries({0: 20, 1: 30, 2: 10, 3: STEP}), STEP, PRODUCTS, store(1))
    assert [sorted(call.rows.tolist()) for call in found] == [[0, 1, 2], [3]]
    far = calls(queries({0: 20, 11: 30}), STEP, PRODUCTS, store(1))
    assert sorted(call.rows.tolist() for call in far) == [[0], [1]]


def test_runs_off_the_step_or_longer_than_it_attend_alone() -> None:
    odd = [Query(0, BLOCK, 3, BLOCK), Query(1, 0, STEP + 3, STEP + BLOCK)]
    even = [Query(row, cell * STEP, 8, BLOCK) for row, cell in ((2, 4), (3, 5))]
    assert [call.rows.tolist() for call in calls([*odd, *even], STEP, PRODUCTS, store(1))] == [[2, 3], [0], [1]]
    assert [call.rows.tolist() for call in calls(even, 0, PRODUCTS, store(1))] == [[2], [3]]
    assert calls([], STEP, PRODUCTS, store(1)) == []


def test_a_cell_that_the_cache_cuts_off_attends_alone() -> None:
    k, v = (x[:, :, : 2 * STEP + BLOCK] for x in (store(1), store(2)))
    mine = [Query(0, 0, 2 * BLOCK, 3 * BLOCK), Query(1, STEP, 3, BLOCK), Query(2, 2 * STEP, 5, BLOCK)]
    q = torch.randn(3, GROUPS, COPIES, SIZE, generator=torch.Generator().manual_seed(4))
    found = calls(mine, STEP, 1, k)
    assert [sorted(call.rows.tolist()) for call in found] == [[0, 1], [2]]
    expected = torch.stack([plain(one, q, k, v) for one in mine])
    torch.testing.assert_close(outputs(found, q, k, v), expected, rtol=1e-5, atol=1e-6)
