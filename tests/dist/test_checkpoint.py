"""Checkpoints: complete, checked, the last two; damage and full disks are told in one line."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch

from lapis.dist import checkpoint
from lapis.types import InputError


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {
        "model.weight": torch.full((5, 3), value),
        "model.half": torch.full((4,), value, dtype=torch.bfloat16),
        "model.scalar": torch.tensor(value),
        "rng": torch.get_rng_state(),
    }


def saved(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoint.save(folder, step, tensors(float(step)), {"tokens": step * 10})


def newest(folder: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    found = tensors(-1.0)
    facts = checkpoint.load(folder, found)
    assert facts is not None
    return facts, found


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_round_trip_keeps_the_last_two(tmp_path: Path) -> None:
    saved(tmp_path, 1, 2, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000030"]
    facts, found = newest(tmp_path)
    assert facts == {"step": 30, "tokens": 300}
    for name, tensor in tensors(30.0).items():
        assert found[name].equal(tensor) and found[name].dtype == tensor.dtype, name


def test_no_pickle(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    assert {path.suffix for path in files(tmp_path)} == {".safetensors", ".json"}


def test_none_yet(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "nowhere", tensors(0.0)) is None


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x40
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("name", ["*.safetensors", "state.json", "sums.json"])
def test_damage_falls_back_to_the_one_before(tmp_path: Path, harm, name: str, caplog: pytest.LogCaptureFixture) -> None:
    saved(tmp_path, 1, 2)
    harm(next((tmp_path / "step-00000002").glob(name)))
    facts, found = newest(tmp_path)
    assert facts["step"] == 1 and found["model.weight"].eq(1.0).all()
    assert "step-00000002 is damaged" in caplog.text and "falling back" in caplog.text


def test_none_readable(tmp_path: Path) -> None:
    saved(tmp_path, 1, 2)
    for path in files(tmp_path):
        truncate(path)
    with pytest.raises(InputError, match="none of 2 checkpoints is readable"):
        newest(tmp_path)


def test_another_model_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    other = {**tensors(0.0), "model.weight": torch.zeros(6, 3)}
    with pytest.raises(InputError, match=r"another model: model.weight is \[5, 3\] there, expected \[6, 3\]"):
        checkpoint.load(tmp_path, other)
    with pytest.raises(InputError, match=r"model.half is \[4\] there, expected absent"):
        checkpoint.load(tmp_path, {"model.weight": torch.zeros(5, 3), "model.scalar": torch.tensor(0.0)})


def test_a_half_written_folder_is_not_a_checkpoint(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    (tmp_path / "step-00000002.tmp").mkdir()
    assert newest(tmp_path)[0]["step"] == 1
    saved(tmp_path, 2)
    assert newest(tmp_path)[0]["step"] == 2


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on file sizes stands in for the disk: the kernel refuses the write in the same place."""
    saved(tmp_path, 1)
    free = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, free[1]))
    try:
        with pytest.raises(InputError, match="step-00000002: could not be written, no room left on the disk") as told:
            checkpoint.save(tmp_path, 2, {"w": torch.ones(1_000_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, free)
    assert "\n" not in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert newest(tmp_path)[0]["step"] == 1
