"""Processes of other config, code or versions are told with both values, in the same words on every rank."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from lapis import config
from lapis.dist import agree
from lapis.types import InputError
from tests.dist import jobs
from tests.train import world

CPU = torch.device("cpu")
RECIPE = world.recipe(world.stage())


def told(recipe: config.Recipe) -> str:
    try:
        agree.check(recipe, CPU)
    except InputError as error:
        return str(error)
    return ""


def two(source: str) -> list[str]:
    """One process's lines: with the same recipe, another node, another seed, another source."""
    second = dist.get_rank() == 1
    same = replace(RECIPE, dist=config.Dist(nodes=2, node=dist.get_rank()))
    lines = [told(same), told(replace(RECIPE, seed=7 if second else 0))]
    if second:
        agree.source_sum = lambda package: source
    return [*lines, told(RECIPE)]


def test_ranks_that_differ_are_told_alike_on_each(tmp_path: Path) -> None:
    first, second = jobs.run(two, 2, tmp_path, "0123456789ab")
    assert first == second
    same, seed, source = first
    assert same == ""
    assert seed == "rank 1 differs from rank 0: seed is 7, and 0 there"
    assert source.startswith('rank 1 differs from rank 0: the source of lapis is "0123456789ab", and "')


def test_an_edited_line_changes_the_sum_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "one.py").write_text("x = 1\n")
    before = agree.source_sum(tmp_path)
    (tmp_path / "notes.txt").write_text("not code")
    assert agree.source_sum(tmp_path) == before
    (tmp_path / "part" / "one.py").write_text("x = 2\n")
    assert agree.source_sum(tmp_path) != before


@pytest.mark.parametrize(
    ("mine", "first", "line"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, ""),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, "b is 3, and 2 there"),
        ({"a": 1, "b": "x"}, {"a": 1}, 'b is "x", and null there'),
    ],
)
def test_the_first_difference_has_both_values(mine: Any, first: Any, line: str) -> None:
    assert agree.difference(mine, first) == line
