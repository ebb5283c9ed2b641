"""Whether all processes of a stage are of one mind: the same config, code, versions and kind of device.

Unusual: code is compared by a sum over the package's source files, so that an edited checkout on one machine is
noticed without git. Rank 0 is compared with; what differs is told with both values.
"""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import lapis
from lapis import config
from lapis.types import InputError

OWN = ("dist.node",)
"""Config fields that each machine has to itself."""


def check(recipe: config.Recipe, device: torch.device) -> None:
    """Raises InputError on every process of the group, with the same line, where one of them differs from rank 0."""
    mine = facts(recipe, device)
    first: list[Any] = [mine]
    dist.broadcast_object_list(first)
    lines: list[str | None] = [None] * dist.get_world_size()
    dist.all_gather_object(lines, difference(mine, first[0]))
    for rank, line in enumerate(lines):
        if line:
            raise InputError(f"rank {rank} differs from rank 0: {line}")


def facts(recipe: config.Recipe, device: torch.device) -> dict[str, Any]:
    """What has to be equal, by name."""
    fields = config.flat(json.loads(config.dump(recipe)))
    mixtures = {entry.name: [*entry.mixture] for entry in recipe.stages if isinstance(entry, config.Train)}
    return {
        "the source of lapis": source_sum(Path(lapis.__file__).parent),
        "torch": str(torch.__version__),
        "Python": platform.python_version(),
        "the device": device.type,
        **{name: value for name, value in fields.items() if name not in OWN},
        **{f"the order of stages.{name}.mixture": kinds for name, kinds in mixtures.items()},
    }


def source_sum(package: Path) -> str:
    """The beginning of a SHA-256 over the names and contents of a package's Python files."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package).as_posix()}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:12]


def difference(mine: dict[str, Any], first: dict[str, Any]) -> str:
    """The first fact that differs, with both values; empty where none does."""
    for name in [*first, *(name for name in mine if name not in first)]:
        if mine.get(name) != first.get(name):
            here, there = (json.dumps(one.get(name), ensure_ascii=False) for one in (mine, first))
            return f"{name} is {here}, and {there} there"
    return ""
