"""Training checkpoints: whole, checked, the last few kept.

A checkpoint is a folder `step-00000100/` of safetensors written by torch's distributed checkpointing (DCP), a
`state.json` with plain facts, and `sums.json` with a SHA-256 of every other file. Unusual: DCP's own format is
pickle, so its safetensors storage is used instead, in the sharded form that loads at another world size. A folder is
written beside and renamed, so a name without `.tmp` is complete; what was damaged afterwards fails its sums, is told
in the log and passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter

from lapis import files
from lapis.types import InputError

log = logging.getLogger(__name__)


class Damaged(Exception):
    """A checkpoint's files are missing or altered. The message names the file and the fault."""


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], keep: int = 2) -> Path:
    """Write `folder/step-N` and remove all but the last `keep`. Tensors of any dtype and device, facts as JSON.

    Raises InputError where the disk is full; nothing half-written stays and earlier checkpoints are untouched.
    """
    final = folder / f"step-{step:08d}"
    beside = final.with_name(final.name + ".tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with files.room(final):
            beside.mkdir(parents=True)
            _write(beside, step, tensors, facts)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(beside, final)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for old in _steps(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def load(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Fill `tensors` in place from the newest readable checkpoint and return its facts with `step`; None without any.

    A damaged checkpoint is logged and the one before is taken. Raises InputError where none is readable, and where
    the newest readable one holds other tensors than these (another model).
    """
    found = _steps(folder)
    for path in reversed(found):
        try:
            facts = _verified(path)
        except Damaged as fault:
            log.warning("checkpoint %s is damaged (%s); falling back to the one before", path, fault)
            continue
        _match(path, facts.pop("shapes"), tensors)
        _read(path, tensors)
        return facts
    if found:
        raise InputError(f"{folder}: none of {len(found)} checkpoints is readable; delete the folder to start anew")
    return None


def _cause(error: BaseException) -> BaseException:
    """The full disk inside DCP's own wrapping of errors; the error itself where there is none."""
    faults = [wrapped[0] for wrapped in getattr(error, "failures", {}).values()]
    return next((cause for cause in map(_cause, faults) if files.is_full(cause)), error)


def _write(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        with _quiet():
            dcp.save(dict(tensors), storage_writer=writer, no_dist=True)
    except dcp.CheckpointException as error:
        raise _cause(error) from None
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    _json(folder / "state.json", {**facts, "step": step, "shapes": shapes})
    _json(folder / "sums.json", {path.name: _sum(path) for path in sorted(folder.iterdir())})


def _read(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    with _quiet():
        dcp.load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without DCP's note that a single process saves or loads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _steps(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".tmp")


def _verified(folder: Path) -> dict[str, Any]:
    """The facts of a checkpoint whose files all have their sums. Raises Damaged."""
    try:
        sums = json.loads((folder / "sums.json").read_text(encoding="utf-8"))
        for name, expected in sums.items():
            if _sum(folder / name) != expected:
                raise Damaged(f"{name} is not as written")
        return json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Damaged(f"{Path(error.filename).name} is missing") from None
    except ValueError:
        raise Damaged("sums.json cannot be read") from None


def _match(path: Path, saved: Mapping[str, list[int]], tensors: Mapping[str, Tensor]) -> None:
    wanted = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if wanted == saved:
        return
    name = min(name for name in {*wanted, *saved} if wanted.get(name) != saved.get(name))
    raise InputError(
        f"{path}: a checkpoint of another model: {name} is {saved.get(name, 'absent')} there, "
        f"expected {wanted.get(name, 'absent')}"
    )


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
