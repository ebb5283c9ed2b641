"""A node's check of itself: it passes on this machine, and every fault is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lapis import cli, config
from lapis.dist import preflight
from lapis.types import InputError
from tests.train import world

RECIPE = replace(world.recipe(world.stage()), dist=config.Dist(nproc=2, patience=60.0, floor=config.Floor(disk=0.0)))


def test_two_processes_of_this_machine_are_well(tmp_path: Path) -> None:
    found = {check.name: check for check in preflight.checks(RECIPE, tmp_path)}
    assert [*found] == ["versions", "disk", "devices", "products", "link"]
    assert all(check.well for check in found.values())
    assert torch.__version__ in found["versions"].text and "TFLOP/s" in found["products"].text
    assert "GB/s" in found["link"].text and not [*tmp_path.iterdir()]
    preflight.require(replace(RECIPE, dist=replace(RECIPE.dist, nproc=1)), tmp_path)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (preflight.products([True, False], [1.0, 1.0], 0.0, 0.0), "process 1: a product of matrices is wrong"),
        (preflight.products([True] * 3, [90.0, 100.0, 40.0], 0.0, 0.5), "process 2: 40 TFLOP/s, expected 45 or more"),
        (preflight.products([True] * 2, [90.0, 100.0], 95.0, 0.5), "process 0: 90 TFLOP/s, expected 95 or more"),
        (preflight.link([True, True, False], 1.0, 0.0), "process 2: a sum over the processes is wrong"),
        (preflight.link([True, True], 1.0, 2.0), "1 GB/s, expected 2 or more"),
    ],
)
def test_what_is_wrong_or_slow_is_named(check: preflight.Check, text: str) -> None:
    assert (check.well, check.text) == (False, text)


def test_slow_among_others_is_asked_only_of_gpus() -> None:
    assert preflight.products([True] * 3, [90.0, 100.0, 4.0], 0.0, 0.0).well


def test_a_wrong_product_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right, multiply = torch.device("cpu"), torch.Tensor.__matmul__
    assert preflight._right(right)

    def flipped(self: torch.Tensor, other: torch.Tensor) -> Any:
        found = multiply(self, other)
        if found.is_floating_point():
            found[517, 33] += 1
        return found

    monkeypatch.setattr(torch.Tensor, "__matmul__", flipped)
    assert not preflight._right(right)


def test_a_full_disk_and_one_that_alters_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = replace(RECIPE, dist=replace(RECIPE.dist, floor=config.Floor(disk=1e9)))
    with pytest.raises(InputError, match=r"preflight, disk: .* GB free.*; expected 1e\+09 GB or more"):
        preflight.require(full, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="preflight, disk: .*file cannot be written"):
        preflight.require(RECIPE, tmp_path / "file")
    monkeypatch.setattr(preflight, "_through", lambda path, content: b"another sum")
    with pytest.raises(InputError, match="a file was read otherwise than it was written"):
        preflight.require(RECIPE, tmp_path)


def fails(rank: int, text: str, place: str) -> None:
    raise ValueError("no such device")


def hangs(rank: int, text: str, place: str) -> None:
    import time

    time.sleep(3600)


@pytest.mark.parametrize(
    ("probe", "patience", "why"), [(fails, 60.0, "no such device"), (hangs, 2.0, "no answer after 2 s")]
)
def test_processes_that_die_or_hang_are_named(
    probe: Any, patience: float, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_probe", probe)
    with pytest.raises(InputError, match=f"preflight, processes: .*{why}"):
        preflight.require(replace(RECIPE, dist=replace(RECIPE.dist, nproc=1, patience=patience)), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_command_has_a_line_for_each_check_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("preflight", "pocket", "device=cuda", "dist.floor.disk=0", f"out={tmp_path}")
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["versions", "disk", "devices"]
    assert "FAILED: device: cuda is not available here" in said.out
    assert said.err == "lapis: preflight: this machine is not fit to train (devices)\n"
