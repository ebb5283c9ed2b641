"""The clock against closed forms, and what a machine's file must say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lapis.plan import clock, hardware
from lapis.plan.count import Message, Work
from lapis.plan.hardware import Hardware, Link
from lapis.plan.job import Trace
from lapis.types import InputError

MACHINE = Hardware(
    name="made",
    products=100.0,
    bandwidth=10.0,
    memory=1.0,
    node=4,
    inner=Link(8.0, 0.25),
    outer=Link(1.0, 0.5),
    sources={},
)


def message(name: str, ranks: range, size: int, purpose: str = "sums") -> Message:
    return Message(name, purpose, tuple(ranks), size)


def test_a_call_takes_the_longer_of_flops_and_bytes_and_its_launch() -> None:
    assert clock.of_work(Work("mm", 200, 10), MACHINE) == 2.0
    assert clock.of_work(Work("mm", 200, 30), MACHINE) == 3.0
    assert clock.of_work(Work("mm", 200, 30), replace(MACHINE, launch=1.0)) == 4.0
    assert clock.of_work(Work("mm", 200, 30), replace(MACHINE, launch=1.0, launch_hidden=True)) == 3.0
    slow = replace(MACHINE, products_share=0.5, attention_share=0.25)
    assert clock.of_work(Work("mm", 200, 0), slow) == 4.0
    assert clock.of_work(Work("_scaled_dot_product_flash_attention_for_cpu", 200, 0), slow) == 8.0


def test_a_ring_within_a_node() -> None:
    """Three quarters of the whole over a link of 8 bytes a second, three hops; a sum there and back."""
    assert clock.of_message(message("all-gather", range(4), 64), MACHINE) == 6.0 + 3 * 0.25
    assert clock.of_message(message("all-reduce", range(4), 64), MACHINE) == 12.0 + 6 * 0.25
    assert clock.of_message(message("all-gather", range(1), 64), MACHINE) == 0.0


def test_a_ring_over_nodes_goes_through_all_their_adapters() -> None:
    """Four adapters of 1 byte a second for each of two nodes, one where a node has one rank of the group."""
    assert clock.of_message(message("all-gather", range(8), 64), MACHINE) == 56 / 4 + 6 * 0.25 + 0.5
    assert clock.of_message(message("all-gather", range(0, 8, 4), 64), MACHINE) == 32.0 + 0.5


def test_a_large_sum_takes_a_trees_hops() -> None:
    took = clock.of_message(message("all-reduce", range(0, 64 * 4, 4), 64), MACHINE)
    assert took == 2 * 63 + 2 * 6 * 0.5


def test_weights_hide_behind_computing_and_others_do_not() -> None:
    gathered, summed = message("all-gather", range(4), 64, clock.WEIGHTS), message("all-reduce", range(4), 64)
    trace = Trace({Work("mm", 1000, 0): 4, gathered: 2, summed: 1}, 0, 0, 0, 0, 1)
    plain = clock.seconds(trace, MACHINE, 1, 0.0)
    assert (plain.computing, plain.weights, plain.exposed, plain.waiting) == (40.0, 13.5, 13.5, 13.5)
    hidden = clock.seconds(trace, replace(MACHINE, overlap=1.0), 1, 0.25)
    assert (hidden.exposed, hidden.uneven) == (6.75, 10.0)
    assert hidden.step == 40.0 + 13.5 + 6.75 + 10.0


def test_every_number_of_a_machine_has_its_source() -> None:
    for name in hardware.names():
        machine = hardware.load(name)
        plain = {"name", "sources", "fused", "launch_hidden", "collectives"}
        assert set(Hardware.__dataclass_fields__) - plain == machine.sources.keys()


@pytest.mark.parametrize(
    ("text", "named"),
    [("name =", "no TOML"), ("speed = 1", "speed: no such key"), ('name = "x"', "Field required")],
)
def test_a_damaged_file_is_told_in_one_line(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "here.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=named) as told:
        hardware.load(str(path))
    assert str(path) in str(told.value) and "\n" not in str(told.value)
