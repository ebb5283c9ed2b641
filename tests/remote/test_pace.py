"""No 60 seconds see more requests or tokens than allowed, whatever comes in, and nothing waits longer than it must."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.remote.pace import WINDOW, Pace


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def left(requests: int, tokens: int, asked: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """When requests leave that come so long after each other, with so many tokens."""
    clock = Clock()

    async def all_of_them() -> list[tuple[float, int]]:
        pace = Pace(requests, tokens, clock, clock.sleep)
        found = []
        for gap, size in asked:
            clock.now += gap
            found.append(((await pace.take(size)).when, size))
        return found

    return asyncio.run(all_of_them())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 5),
    st.integers(0, 100),
    st.lists(st.tuples(st.floats(0, 40), st.integers(1, 100)), min_size=1, max_size=30),
)
def test_no_window_holds_more_than_its_limits(requests: int, tokens: int, asked: list[tuple[float, int]]) -> None:
    gone = left(requests, tokens, asked)
    for when, _ in gone:
        window = [size for at, size in gone if when - WINDOW + 1e-6 < at <= when]
        assert not requests or len(window) <= requests
        assert not tokens or sum(window) <= tokens or len(window) == 1


def test_requests_without_limits_never_wait() -> None:
    assert [when for when, _ in left(0, 0, [(0.0, 10**6)] * 5)] == [0.0] * 5


def test_a_request_leaves_as_soon_as_there_is_room() -> None:
    assert [when for when, _ in left(2, 0, [(0.0, 1), (10.0, 1), (0.0, 1), (0.0, 1)])] == [0.0, 10.0, 60.0, 70.0]
    assert [when for when, _ in left(0, 10, [(0.0, 6), (5.0, 4), (0.0, 6)])] == [0.0, 5.0, 60.0]


def test_what_a_request_really_took_makes_room_and_a_hold_stops_all() -> None:
    clock = Clock()

    async def work() -> list[float]:
        pace = Pace(0, 100, clock, clock.sleep)
        first = await pace.take(90)
        first.tokens = 20
        second = await pace.take(80)
        pace.hold(7.0)
        second.tokens = 0
        return [second.when, (await pace.take(1)).when]

    assert asyncio.run(work()) == [0.0, 7.0]
