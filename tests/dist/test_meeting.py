"""The leader's rounds over a board in memory: whom it waits for, whom it takes, and when a round is at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch.distributed as dist

from lapis.dist import board as boards
from lapis.dist import meeting as meetings
from lapis.dist.board import Board, Roll
from lapis.dist.meeting import Followed, Led, Over


def leader(expected: int, usable: Callable[[int], int], patience: float = 60.0) -> Led:
    board = Board(dist.HashStore())
    board.tell("now", {"order": 1, "stage": "text", "end": None})
    address = ("127.0.0.1", 1)
    how = {"roll": Roll(board), "expected": expected, "usable": usable, "patience": patience}
    return Led(board, address, 1, lambda: None, **how)


def comes(led: Led, number: int, *rounds: int) -> int:
    """A node that says who it is and that it is here; returns its ticket."""
    ticket = led.board.count("tickets", 1)
    led.board.tell(f"who/{ticket}", {"node": number, "host": f"host{number}"})
    for one in rounds:
        led.board.tell(f"1/{one}/here/{ticket}")
    return ticket


def even(many: int) -> int:
    return many // 2 * 2


def test_ranks_follow_the_nodes_numbers_and_the_first_is_the_leaders() -> None:
    led = leader(3, lambda many: many if many == 3 else 0)
    late, early = comes(led, 2, 0), comes(led, 1, 0)
    found = led.next_rendezvous()
    assert (found.rank, found.world_size, led.members) == (0, 3, [0, early, late])


def test_more_nodes_than_are_of_use_stand_by_and_take_the_place_of_one_that_left() -> None:
    led = leader(3, even)
    first, second = comes(led, 1, 0, 1), comes(led, 2, 0, 1)
    led.next_rendezvous()
    assert led.members == [0, first] and not led.num_nodes_waiting()
    led.looked = 0.0
    led.board.tell(f"left/{first}", "preflight, disk: full")
    assert led.num_nodes_waiting()
    led.next_rendezvous()
    assert led.members == [0, second]


def test_a_new_node_ends_a_round_where_it_is_of_use() -> None:
    led = leader(2, lambda many: many)
    first = comes(led, 1, 0)
    led.next_rendezvous()
    assert not led.num_nodes_waiting()
    second, led.looked = comes(led, 2, 1), 0.0
    assert led.num_nodes_waiting()
    led.board.tell(f"1/1/here/{first}")
    led.next_rendezvous()
    assert led.members == [0, first, second]


def test_a_heart_that_stands_still_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(boards.time, "monotonic", lambda: now[0])
    led = leader(2, lambda many: many)
    ticket = comes(led, 1, 0)
    led.next_rendezvous()
    for passed, beats, missed in ((boards.LOST - 1, 0, 0), (0, 1, 0), (boards.LOST - 1, 0, 0), (2, 0, 1)):
        now[0] += passed
        led.looked = 0.0
        led.board.count(f"beat/{ticket}", beats)
        assert led.num_nodes_waiting() == missed
    assert "was not heard of" in led.roll.left[ticket]


def test_too_few_nodes_are_told_with_the_reasons() -> None:
    led = leader(3, lambda many: many if many == 3 else 0, patience=0.0)
    comes(led, 1, 0)
    led.board.tell(f"left/{comes(led, 2)}", "preflight, products: process 0: a product of matrices is wrong")
    with pytest.raises(RuntimeError) as caught:
        led.next_rendezvous()
    assert str(caught.value) == (
        "2 of 3 nodes are ready, too few to train; node 2 (host2) preflight, products: process 0: "
        "a product of matrices is wrong"
    )


def test_a_node_is_checked_again_before_another_round() -> None:
    led, checked = leader(1, lambda many: many), list[Any]()
    led.check = lambda: checked.append(led.round)
    led.next_rendezvous()
    assert checked == []
    led.next_rendezvous()
    assert checked == [0] and led.round == 1


def test_a_follower_passes_over_rounds_without_it_and_hears_when_the_stage_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led = leader(1, lambda many: many)
    led.next_rendezvous()
    followed = Followed(Board(led.board.store, comes(led, 1)), led.address, 1, lambda: None)
    asked = iter([lambda: led.board.tell("1/1/members", [0, 1])])
    monkeypatch.setattr(meetings.time, "sleep", lambda seconds: next(asked)())
    found = followed.next_rendezvous()
    assert (found.rank, found.world_size, followed.round) == (1, 2, 1)
    assert led.board.told("1/1/here/1") and not followed.num_nodes_waiting()
    led.board.tell("now", {"order": 2, "stage": "joint", "end": None})
    with pytest.raises(Over):
        followed.num_nodes_waiting()
