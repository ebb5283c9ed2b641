"""Labelled examples that a classifier is fitted on: JSON lines or Parquet with a text and a label, and their split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis.said import first_line
from lapis.types import InputError

HELD = 0.2
"""Share of the examples that the classifier is measured on and never fitted on."""
FEWEST = 10
"""Examples of a label."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what somebody called it."""

    text: str
    label: str


def read(paths: Iterable[Path], text: str = "text", label: str = "label") -> list[Example]:
    """Examples of some files, equal texts once, the first label counting.

    Raises InputError for a file or record that is none, and for a label with fewer than FEWEST examples.
    """
    found: dict[str, Example] = {}
    for path in paths:
        for place, record in _records(path, (text, label)):
            example = _example(place, record, text, label)
            found.setdefault(example.text, example)
    every = list(found.values())
    for name in sorted({example.label for example in every}):
        count = sum(example.label == name for example in every)
        if count < FEWEST:
            raise InputError(f"label {name!r}: {count} examples, expected at least {FEWEST}")
    if len({example.label for example in every}) < 2:
        raise InputError(f"{label}: one label alone, expected at least two")
    return every


def split(examples: Iterable[Example]) -> tuple[list[Example], list[Example]]:
    """(to fit on, held out): of each label every fifth by a hash of the text, whatever the order and the file."""
    by: dict[str, list[Example]] = {}
    for example in examples:
        by.setdefault(example.label, []).append(example)
    parts: tuple[list[Example], list[Example]] = ([], [])
    for label in sorted(by):
        order = sorted(by[label], key=lambda example: hashlib.blake2b(example.text.encode(), digest_size=16).digest())
        cut = max(1, round(HELD * len(order)))
        parts[0].extend(order[cut:])
        parts[1].extend(order[:cut])
    return parts


def _records(path: Path, columns: tuple[str, str]) -> Iterator[tuple[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected JSON lines or Parquet")
    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path, columns=list(columns))
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path}: not a whole Parquet file ({first_line(error)})") from None
        yield from ((f"{path}, row {row}", record) for row, record in enumerate(table.to_pylist()))
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path}, line {number}", _parsed(f"{path}, line {number}", line)


def _parsed(place: str, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise InputError(f"{place}: no JSON ({first_line(error)})") from None


def _example(place: str, record: Any, text: str, label: str) -> Example:
    for name in (text, label):
        if not isinstance(record, dict) or record.get(name) is None:
            raise InputError(f"{place}: no {name!r} there")
    said, value = record[text], record[label]
    if not isinstance(said, str) or not said.strip():
        raise InputError(f"{place}: {text!r} is empty or no text")
    if isinstance(value, list | dict):
        raise InputError(f"{place}: {label!r} is no label, expected a word or a number")
    return Example(said, str(int(value)) if isinstance(value, bool | float) and value == int(value) else str(value))
