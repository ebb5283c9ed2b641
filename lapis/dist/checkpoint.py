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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from lapis import files
from lapis.dist.mesh import Mesh, alone
from lapis.types import InputError

log = logging.getLogger(__name__)

ALONE = alone()


class Damaged(Exception):
    """A checkpoint's files are missing or altered. The message names the file and the fault."""


class Saver:
    """Saves beside training: tensors are copied at once and written by a thread; one save at a time.

    A context manager; its end waits for the last save. Every process of the mesh has one.
    """

    def __init__(self, folder: Path, mesh: Mesh = ALONE):
        self.folder, self.mesh = folder, mesh.aside()
        self.pool = ThreadPoolExecutor(1, "checkpoint")
        self.stager = DefaultStager(StagingOptions(False, False, False, False))
        self.last: Future[Path] | None = None

    def __enter__(self) -> Saver:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.wait()
        finally:
            self.pool.shutdown()
            self.stager.close()

    def save(self, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Begin a save. Raises what the one before it met, InputError where the disk is full."""
        self.wait()
        copies = cast(dict[str, Tensor], self.stager.stage(dict(tensors)))
        self.last = self.pool.submit(save, self.folder, step, copies, facts, mesh=self.mesh)

    def wait(self) -> None:
        """Until nothing is being written."""
        last, self.last = self.last, None
        if last is not None:
            last.result()


def save(
    folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], keep: int = 2, mesh: Mesh = ALONE
) -> Path:
    """Write `folder/step-N` and remove all but the last `keep`. Tensors of any dtype and device, facts as JSON.

    Every process of the mesh calls it with its pieces. Raises InputError where the disk is full; nothing half-written
    stays and earlier checkpoints are untouched.
    """
    final = folder / f"step-{step:08d}"
    beside = final.with_name(final.name + ".tmp")
    mesh.once(lambda: _empty(beside))
    try:
        with files.room(final):
            _write(beside, tensors, mesh)
        mesh.once(lambda: _finish(beside, final, step, tensors, facts))
    finally:
        if mesh.first:
            shutil.rmtree(beside, ignore_errors=True)
            for old in _steps(folder)[:-keep]:
                shutil.rmtree(old)
    return final


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with files.room(folder):
        folder.mkdir(parents=True)


def _finish(beside: Path, final: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Facts and sums last, then the name that says it is whole."""
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    with files.room(final):
        _json(beside / "state.json", {**facts, "step": step, "shapes": shapes})
        _json(beside / "sums.json", {path.name: _sum(path) for path in sorted(beside.iterdir())})
        shutil.rmtree(final, ignore_errors=True)
        os.replace(beside, final)


def load(folder: Path, tensors: Mapping[str, Tensor], mesh: Mesh = ALONE) -> dict[str, Any] | None:
    """Fill `tensors` in place from the newest readable checkpoint and return its facts with `step`; None without any.

    The mesh may be another than the one that saved. A damaged checkpoint is logged and the one before is taken. Raises
    InputError where none is readable, and where the newest readable one holds other tensors than these (another model).
    """
    found = mesh.once(lambda: _newest(folder, tensors))
    if found is None:
        return None
    name, facts = found
    with _quiet():
        reader = HuggingFaceStorageReader(str(folder / name))
        dcp.load(dict(tensors), storage_reader=reader, no_dist=mesh.world == 1)
    return facts


def _newest(folder: Path, tensors: Mapping[str, Tensor]) -> tuple[str, dict[str, Any]] | None:
    """Name and facts of the newest readable checkpoint."""
    found = _steps(folder)
    for path in reversed(found):
        try:
            facts = _verified(path)
        except Damaged as fault:
            log.warning("checkpoint %s is damaged (%s); falling back to the one before", path, fault)
            continue
        _match(path, facts.pop("shapes"), tensors)
        return path.name, facts
    if found:
        raise InputError(f"{folder}: none of {len(found)} checkpoints is readable; delete the folder to start anew")
    return None


def _cause(error: BaseException) -> BaseException:
    """The full disk inside DCP's own wrapping of errors; the error itself where there is none."""
    faults = [wrapped[0] for wrapped in getattr(error, "failures", {}).values()]
    return next((cause for cause in map(_cause, faults) if files.is_full(cause)), error)


def _write(folder: Path, tensors: Mapping[str, Tensor], mesh: Mesh) -> None:
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        with _quiet():
            dcp.save(dict(tensors), storage_writer=writer, process_group=mesh.every, no_dist=mesh.world == 1)
    except dcp.CheckpointException as error:
        raise _cause(error) from None


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
