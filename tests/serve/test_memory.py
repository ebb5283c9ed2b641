"""Whose the cache's tokens are: never two owners, never more than there are, and kept while nobody needs them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.model.cache import BLOCK
from lapis.serve.memory import Memory, Run, common

NOTHING = np.zeros(0, dtype=np.int64)


def key(*pieces: tuple[int, int]) -> np.ndarray:
    """So many tokens of each kind."""
    return np.concatenate([np.full(count, token, dtype=np.int64) for token, count in pieces])


def test_whole_blocks_are_in_common() -> None:
    assert common(key((1, 70)), key((1, 70))) == 2 * BLOCK
    assert common(key((1, 40), (2, 40)), key((1, 40), (3, 40))) == BLOCK
    assert common(key((1, 31), (2, 9)), key((1, 32), (2, 8))) == 0 == common(NOTHING, key((1, 40)))


def test_the_longest_beginning_is_found_and_the_oldest_makes_way() -> None:
    memory = Memory(8 * BLOCK)
    for token in (1, 2):
        run = memory.take(3 * BLOCK)
        assert run is not None
        memory.free(run, key((token, 2 * BLOCK), (9, 20)))
    assert memory.used == 0 and len(list(memory)) == 2
    assert memory.best(key((1, 40)))[0] == BLOCK and memory.best(key((3, 99))) == (0, None)
    length, kept = memory.best(key((1, 90)))
    assert length == 2 * BLOCK and kept is not None
    assert memory.take(5 * BLOCK, spare=kept) is not None
    assert memory.best(key((2, 90))) == (0, None) and memory.best(key((1, 90)))[1] is kept
    assert memory.take(3 * BLOCK) is None and memory.best(key((1, 90)))[1] is kept  # no gap is so large
    assert memory.take(2 * BLOCK) is not None and memory.best(key((1, 90))) == (0, None)
    assert memory.take(1) is not None and memory.take(1) is None


def test_a_beginning_of_what_is_kept_already_takes_no_memory() -> None:
    memory = Memory(32 * BLOCK)
    runs = [memory.take(4 * BLOCK) for _ in range(3)]
    for run, length in zip(runs, (70, 100, 40), strict=True):
        assert run is not None
        memory.free(run, key((1, length)))
    assert [run.size for run in memory] == [3 * BLOCK]
    memory.forget()
    assert list(memory) == []


def test_runs_begin_at_steps_where_nobody_has_to_make_way() -> None:
    memory = Memory(8 * BLOCK, step=4 * BLOCK)
    first = memory.take(BLOCK)
    second = memory.take(BLOCK)
    assert first is not None and second is not None and (first.start, second.start) == (0, 4 * BLOCK)
    memory.free(second, key((1, BLOCK)))
    third = memory.take(2 * BLOCK)
    assert third is not None and third.start == BLOCK and memory.best(key((1, 40)))[0] == BLOCK


def test_no_more_prompts_are_kept_than_were_asked_for() -> None:
    for keep in (0, 2):
        memory = Memory(16 * BLOCK, keep=keep)
        for token in range(4):
            run = memory.take(BLOCK)
            assert run is not None
            memory.free(run, key((token, BLOCK)))
        assert len(list(memory)) == keep and bool(memory.best(key((3, BLOCK)))[0]) == bool(keep)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200), st.integers(0, 3)), max_size=60))
def test_runs_never_overlap(moves: list[tuple[bool, int, int]]) -> None:
    memory, owned = Memory(16 * BLOCK), list[Run]()
    for take, size, token in moves:
        if take:
            run = memory.take(size)
            fits = sum(one.size for one in owned) + size <= 16 * BLOCK
            assert fits or run is None
            owned += [run] if run else []
        elif owned:
            run = owned.pop(size % len(owned))
            memory.free(run, key((token, min(size, run.size))))
        runs = sorted(memory, key=lambda one: one.start)
        assert all(one.end <= other.start for one, other in zip(runs, runs[1:], strict=False))
        assert not runs or (runs[-1].end <= 16 * BLOCK and all(one.start % BLOCK == 0 for one in runs))
        assert memory.used == sum(one.size for one in owned)
