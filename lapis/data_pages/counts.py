"""What went into each step and what came out, from the files that a data stage leaves.

A corpus tells it by step, source and kind (`corpus/counts.json`); the data stage tells what its own prose lost and how
many samples equalled a held-out one. Nothing is guessed: what no file tells is not shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lapis import files
from lapis.types import InputError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flow:
    """Samples in and out of something, and why the others were dropped."""

    name: str
    into: int
    out: int
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a corpus's counts."""

    name: str
    source: str
    kind: str
    into: int
    out: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of a data stage lie."""

    data: Path
    """samples/, heldout/, shards/, counts.json."""
    corpus: Path
    """counts.json of steps, dropped.parquet, broken.jsonl; may be missing."""

    def samples(self) -> list[Path]:
        """Samples files of training."""
        return sorted((self.data / "samples").glob("*.parquet"))


def place_of(folder: Path) -> Place:
    """The data stage of a run, a data stage, or a corpus. Raises InputError where there is none of them."""
    for data in (folder / "data", folder):
        if (data / "counts.json").is_file() or (data / "samples").is_dir() or (data / "corpus").is_dir():
            return Place(data, data / "corpus" if (data / "corpus").is_dir() else data)
    raise InputError(f"{folder}: no data there; expected a run, its data stage or a corpus")


def read_json(path: Path) -> Json:
    """A file of JSON; empty where it is missing. Raises InputError where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:
        raise InputError(f"{path}: not whole JSON") from None
    return content if isinstance(content, dict) else {}


def steps(place: Place) -> list[Step]:
    """The corpus's counts in their order. Raises InputError where a line of them lacks something."""
    path = place.corpus / "counts.json"
    try:
        return [
            Step(one["name"], one["source"], one["kind"], int(one["in"]), int(one["out"]), dict(one["dropped"]))
            for one in read_json(path).get("steps", ())
        ]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected steps with name, source, kind, in, out and dropped") from None


def evaluations(place: Place) -> list[tuple[str, int, int]]:
    """(set, its samples, training samples that were dropped as they had read it). Raises InputError like `steps`."""
    path = place.corpus / "counts.json"
    try:
        found = read_json(path).get("evaluations", {}).items()
        return [(name, int(one["samples"]), sum(one["dropped"].values())) for name, one in found]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected evaluations with samples and dropped") from None


def by_step(lines: Sequence[Step]) -> list[Flow]:
    """Each step over all sources and kinds, in their order."""
    return [_sum(name, [one for one in lines if one.name == name]) for name in dict.fromkeys(one.name for one in lines)]


def by_step_and_kind(lines: Sequence[Step]) -> list[tuple[str, Flow]]:
    """(step, what became of a kind there) over all sources, in their order."""
    pairs = dict.fromkeys((one.name, one.kind) for one in lines)
    return [(name, _sum(kind, [one for one in lines if (one.name, one.kind) == (name, kind)])) for name, kind in pairs]


def _sum(name: str, lines: Sequence[Step]) -> Flow:
    dropped: dict[str, int] = {}
    for line in lines:
        for reason, count in line.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return Flow(name, sum(line.into for line in lines), sum(line.out for line in lines), dropped)


def ends(lines: Sequence[Step], by: str) -> list[Flow]:
    """From the first step to the last one, by `kind` or `source`, with all that was dropped between them."""
    return [
        _ends(name, [one for one in lines if getattr(one, by) == name])
        for name in sorted({getattr(one, by) for one in lines})
    ]


def _ends(name: str, lines: Sequence[Step]) -> Flow:
    first, last = lines[0].name, lines[-1].name
    into = sum(line.into for line in lines if line.name == first)
    out = sum(line.out for line in lines if line.name == last)
    return Flow(name, into, out, _sum(name, lines).dropped)


def stage_flows(place: Place) -> list[Flow]:
    """What the data stage itself tells: samples files that lost those equal to a held-out one."""
    leaked = read_json(place.data / "counts.json").get("leaked", {})
    sizes = {path.stem: pq.read_metadata(path).num_rows for path in place.samples()}
    return [
        Flow(name, size, size - leaked[name], {"equals a held-out sample": leaked[name]} if leaked[name] else {})
        for name, size in sizes.items()
        if name in leaked
    ]


def reasons(place: Place) -> dict[str, int]:
    """How many documents of prose were dropped, by reason."""
    found = read_json(place.data / "samples" / "dropped.json")
    return {reason: int(entry["count"]) for reason, entry in found.items()}


def excerpts(place: Place) -> Iterator[tuple[str, str, str]]:
    """(reason, source, beginning) of dropped documents of prose."""
    for reason, entry in read_json(place.data / "samples" / "dropped.json").items():
        for one in entry.get("examples", ()):
            yield reason, one["source"], one["text"]


def broken(place: Place) -> Iterator[tuple[str, str, str]]:
    """(source, place, reason) of records that could not be read."""
    for one in files.lines(place.corpus / "broken.jsonl"):
        yield str(one.get("source", "")), str(one.get("place", "")), str(one.get("reason", ""))
