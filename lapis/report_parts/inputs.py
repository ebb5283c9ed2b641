"""What a run folder holds, read into one value. Everything is optional: a cut run still gets its report."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lapis.timeline import RESERVED
from lapis.types import InputError

Json = dict[str, Any]
MACHINE = "machine.json"
"""What a run was made on: a report that is written elsewhere still names it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's folder."""

    name: str
    op: str
    """train, prune, join, rl, data, eval, export; empty where no config says."""
    done: Json
    metrics: list[Json]
    online: list[Json]
    """Scores of the evaluation beside training."""
    alarms: list[Json]
    parameters: dict[str, int]
    """Parameters of the stage's model by part: vit, adapter, decoder."""
    seconds: float
    """Wall time over all segments: a killed stage has several."""

    @property
    def heldout(self) -> dict[str, float]:
        return {kind: float(loss) for kind, loss in self.done.get("heldout", {}).items() if _number(loss)}


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder."""

    folder: Path
    measured: Path
    """Folder of the evaluation."""
    recipe: str
    stages: list[Stage]
    wall_seconds: float | None
    counts: Json
    """What the data stage counted."""
    results: Json
    """eval/results.json"""
    answers: list[Json]
    machine: Json
    settings: Json = field(default_factory=dict)
    """The resolved recipe, where the run keeps it."""

    def stage(self, name: str) -> Stage | None:
        return next((stage for stage in self.stages if stage.name == name), None)


def read_run(folder: Path) -> Run:
    """Everything in the folder; a missing file is an empty value, a broken one an error."""
    timeline = _json(folder / "timeline.json")
    settings = _settings(folder)
    data, measured, _ = (folder / name for name in _ends(settings))
    stages = [_stage(folder / name, timeline, settings) for name in _names(folder, timeline, settings)]
    return Run(
        folder=folder,
        measured=measured,
        recipe=str(settings.get("name") or folder.name),
        stages=stages,
        wall_seconds=_wall(timeline),
        counts=_json(data / "counts.json") or _json(data / "done.json"),
        results=_json(measured / "results.json"),
        answers=list(_lines(measured / "answers.jsonl")),
        machine=_json(folder / MACHINE) or machine(),
        settings=settings,
    )


def machine() -> Json:
    """This machine's name: CPU model, cores, GPU if any, torch."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu(), "cores": cores, "gpu": gpu, "torch": torch.__version__, "python": platform.python_version()}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _settings(folder: Path) -> Json:
    """The resolved recipe: the run's own file, or a stage's config that carries all stages."""
    for path in (folder / "config.json", folder / "recipe.json", *sorted(folder.glob("*/config.json"))):
        content = _json(path)
        for candidate in (content, content.get("recipe")):
            if isinstance(candidate, dict) and "stages" in candidate:
                return candidate
    return {}


def _ends(settings: Json) -> list[str]:
    """Names of the entries before and behind the stages."""
    return [settings.get(part, {}).get("name", part) for part in ("data", "eval", "export")]


def _names(folder: Path, timeline: Json, settings: Json) -> list[str]:
    """Stage folders in the order of the recipe, then of the clock, then of their names."""
    data, measured, export = _ends(settings)
    order = [data, *(entry["name"] for entry in settings.get("stages", ())), measured, export] if settings else []
    order += [name for name in timeline if name not in RESERVED]
    order += sorted(path.parent.name for path in folder.glob("*/done.json"))
    return [name for name in dict.fromkeys(order) if (folder / name).is_dir()]


def _stage(folder: Path, timeline: Json, settings: Json) -> Stage:
    done = _json(folder / "done.json")
    named = {entry["name"]: entry for entry in settings.get("stages", ())}
    op = named.get(folder.name, _json(folder / "config.json")).get("op", "")
    clock = sum(end - start for start, end in segments(timeline.get(folder.name)))
    seconds = clock or float(done.get("seconds") or 0.0)
    return Stage(
        name=folder.name,
        op=op,
        done=done,
        metrics=list(_lines(folder / "metrics.jsonl")),
        online=list(_lines(folder / "online.jsonl")),
        alarms=list(_lines(folder / "alarms.jsonl")),
        parameters=_parameters(folder / "model"),
        seconds=seconds,
    )


def segments(value: Any) -> list[tuple[float, float]]:
    """[start, end] or a list of such pairs, in seconds."""
    if not isinstance(value, list) or not value:
        return []
    pairs = value if isinstance(value[0], list) else [value]
    return [(float(start), float(end)) for start, end in pairs]


def _wall(timeline: Json) -> float | None:
    if _number(timeline.get("total")):
        return float(timeline["total"])
    spent = [end - start for name in timeline if name not in RESERVED for start, end in segments(timeline[name])]
    return sum(spent) if spent else None


PARTS = {"vision_tower": "vit", "vit": "vit", "multi_modal_projector": "adapter", "adapter": "adapter"}
"""Part of a weight's name to the part of the network; everything else is the decoder."""


def _parameters(folder: Path) -> dict[str, int]:
    """Parameters by part, from the headers of the stage's safetensors files (8 bytes of length, then JSON)."""
    counts: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, entry in _header(path).items():
            part = next((PARTS[word] for word in name.split(".") if word in PARTS), "decoder")
            counts[part] = counts.get(part, 0) + _size(entry["shape"])
    return counts


def _header(path: Path) -> Json:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: Json = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def _size(shape: list[int]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def _json(path: Path) -> Json:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:
        raise InputError(f"{path}: not whole JSON; run its stage again with --restart") from None
    return content if isinstance(content, dict) else {}


def _lines(path: Path) -> Iterator[Json]:
    """Lines of a JSONL file; a last line cut by a kill is left out."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines):
        try:
            if line:
                yield json.loads(line)
        except json.JSONDecodeError:
            if number < len(lines) - 2:
                raise


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
