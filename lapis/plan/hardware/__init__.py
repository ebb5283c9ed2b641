"""Machines that a plan can be made for: what is known of them, from a file here or of the user's own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from lapis.overrides import check
from lapis.shape import Positive, Rate, Share
from lapis.types import InputError

Above = Annotated[float, Gt(0)]
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Link:
    """What joins processes."""

    bandwidth: Above
    """Bytes a second of one process in one direction."""
    latency: Rate
    """Seconds of a hop."""
    share: Share = 1.0
    """Of the bandwidth that a large collective reaches."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """A cluster of equal nodes."""

    name: str
    products: Above
    """FLOPs a second of a process's matrix products at their peak."""
    bandwidth: Above
    """Bytes a second between a process and its memory."""
    memory: Above
    """Bytes of a process."""
    node: Positive
    """Processes of a node."""
    inner: Link
    """Within a node."""
    outer: Link
    """Between nodes."""
    sources: dict[str, str]
    """Where each number is from."""
    fused: bool = True
    """Attention and norms are kernels that hold neither masks nor normed copies."""
    products_share: Share = 1.0
    """Of the peak that large products reach."""
    attention_share: Share = 1.0
    """Of the peak that attention reaches."""
    bandwidth_share: Share = 1.0
    launch: Rate = 0.0
    """Seconds that a call takes, however small."""
    launch_hidden: bool = False
    """Whether that passes while the machine does what was called before."""
    overlap: Share = 0.0
    """Share of computing behind which messages of weights can hide."""
    jitter: Rate = 0.0
    """Standard deviation of ranks' speed, as a share of it."""
    collectives: dict[str, Above] = field(default_factory=dict)
    """How many times as long as by links alone a kind of collective takes."""


def names() -> list[str]:
    """Machines that can be named."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def load(name: str) -> Hardware:
    """A machine by its name here, or from a file. Raises InputError for one that is not there or not whole."""
    path = HERE / f"{name}.toml" if name in names() else Path(name)
    if not path.is_file():
        raise InputError(f"{name}: no such machine; expected a TOML file, or one of {', '.join(names())}")
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no TOML ({error})") from None
    strange = tree.keys() - {one.name for one in fields(Hardware)}
    if strange:
        raise InputError(f"{path}: {min(strange)}: no such key; expected those of h100.toml")
    try:
        return check(Hardware, tree)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
