"""Device, precision, and what a broken number leads to."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from lapis.dist import guard
from lapis.types import InputError
from tests.tiny import tiny_recipe


def test_auto_precision_follows_the_machine() -> None:
    cpu = torch.device("cpu")
    wanted = torch.bfloat16 if guard.cpu_has_bf16() else torch.float32
    assert guard.dtype_of("auto", cpu) == wanted
    assert guard.dtype_of("auto", torch.device("cuda")) == torch.bfloat16
    assert guard.dtype_of("fp32", cpu) == torch.float32
    assert guard.dtype_of("bf16", cpu) == torch.bfloat16


def test_a_missing_gpu_is_said() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert guard.device_of("auto").type == "cpu"
    with pytest.raises(InputError, match="device: cuda is not available"):
        guard.device_of("cuda")


def test_prepare_sets_threads_and_seed() -> None:
    recipe = dataclasses.replace(tiny_recipe(), threads=1, seed=5, device="cpu", dtype="fp32")
    before = torch.get_num_threads()
    try:
        place = guard.prepare(recipe)
        first = torch.rand(3)
        guard.prepare(recipe)
        assert torch.rand(3).equal(first)
        assert torch.get_num_threads() == 1
        assert place == guard.Place(torch.device("cpu"), torch.float32, False)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("loss", "norm", "reason"), [(math.nan, 1.0, "loss is nan"), (1.0, math.inf, "norm is inf")])
def test_broken_numbers_are_named(loss: float, norm: float, reason: str) -> None:
    with pytest.raises(guard.NonFinite, match=f"step 7: .*{reason}"):
        guard.check(7, loss, norm)
    guard.check(7, 1.0, 2.0)


def test_one_batch_is_skipped_and_no_second(caplog: pytest.LogCaptureFixture) -> None:
    skips = guard.Skips("text")
    skips.add(guard.NonFinite(3, "loss is nan"))
    assert skips.steps == {3} and "step 3: loss is nan" in caplog.text
    with pytest.raises(InputError, match=r"text: step 9: loss is inf, after the batch of step 3 was skipped") as told:
        skips.add(guard.NonFinite(9, "loss is inf"))
    assert "\n" not in str(told.value)


def test_skips_survive_a_restart() -> None:
    skips = guard.Skips("text")
    skips.restore([4])
    with pytest.raises(InputError):
        skips.add(guard.NonFinite(5, "loss is nan"))
