"""What a person said of samples: lines appended to FILE.checks.jsonl; of several about one sample the last counts.

Screens are ticked question by question (`lapis data screens --checked`), right or wrong, in checks.jsonl of a folder.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapis import files
from lapis.types import InputError, Sample

VERDICTS = ("right", "wrong", "unsure")
WRONG = "wrong by hand"
"""Why a sample is left out that a person called wrong."""
SUFFIX = ".checks.jsonl"
TICKS = "checks.jsonl"
TICKED = "samples-*.parquet"
"""Samples files of a folder of screens, whose questions TICKS is about."""
MARK = 16
"""Characters of a sample's id with which the name of a tick begins (`0123456789abcdef/2` is its third question)."""
LONGEST_NOTE = 2000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Check:
    """One judgement."""

    verdict: str
    note: str = ""


def path_of(samples: Path) -> Path:
    """Where the checks of a samples file are kept."""
    return samples.with_name(samples.name + SUFFIX)


def read(samples: Path) -> dict[str, Check]:
    """The last check of each sample, by id. Raises InputError for a file that holds something else."""
    try:
        return {line["id"]: Check(line["verdict"], line["note"]) for line in files.lines(path_of(samples))}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path_of(samples)}: holds something else than checks") from None


def places(samples: Path) -> tuple[Path, ...]:
    """Files, there or not, in which a person says something of the samples of a file."""
    ticks = (samples.with_name(TICKS),) if samples.match(TICKED) else ()
    return (path_of(samples), *ticks)


def wrong(samples: Path) -> Callable[[Sample], bool]:
    """Whether a person called a sample of that file wrong, or one of its questions.

    Raises InputError for a file of checks or ticks that holds something else.
    """
    checked = {name for name, check in read(samples).items() if check.verdict == "wrong"}
    ticked = {name for path in places(samples)[1:] for name, right in read_ticks(path).items() if not right}
    found = {name[:MARK] for name in checked | ticked}
    return lambda sample: bool(found) and sample.fingerprint[:MARK] in found


def tick_of(name: str, question: int) -> str:
    """What a tick of a sample's question is called; `name` is the sample's id."""
    return f"{name[:MARK]}/{question}"


def read_ticks(path: Path) -> dict[str, bool]:
    """The last tick of each question: whether it is right. Raises InputError for a file that holds something else."""
    try:
        return {line["id"]: bool(line["right"]) for line in files.lines(path)}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: holds something else than ticks") from None


def keep(samples: Path, name: str, check: Check) -> None:
    """Append a check of the sample `name` (its id)."""
    told = {"id": name, "verdict": check.verdict, "note": check.note, "time": int(time.time())}
    append(path_of(samples), told)


def append(place: Path, *values: Mapping[str, Any]) -> None:
    """Append checks or ticks; a line before them that a kill cut short is taken away first."""
    if place.is_file() and place.stat().st_size:
        with place.open("rb+") as file:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.truncate(place.read_bytes().rfind(b"\n") + 1)
    files.append(place, *values)


def check_of(tree: Any) -> Check:
    """A check as the page sends it. Raises ValueError where it is none."""
    if not isinstance(tree, Mapping) or tree.get("verdict") not in VERDICTS:
        raise ValueError(f"verdict: expected one of {', '.join(VERDICTS)}")
    note = tree.get("note", "")
    if not isinstance(note, str) or len(note) > LONGEST_NOTE:
        raise ValueError(f"note: expected at most {LONGEST_NOTE} characters")
    return Check(tree["verdict"], note.strip())


def summary(checks: Mapping[str, Check], names: Iterator[str] | list[str]) -> str:
    """`187 right, 2 wrong, 1 unsure of 200`."""
    names = list(names)
    counts = Counter(checks[name].verdict for name in names if name in checks)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + f" of {len(names)}"
