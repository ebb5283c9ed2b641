"""Samples for a person to judge: a page of pictures with the box drawn and two keys, and the share that was right"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from lapis import files
from lapis.data import store
from lapis.data.check import checks
from lapis.data.thumbnail import jpeg
from lapis.remote.request import data_uri
from lapis.types import InputError, Sample

PAGE = Path(__file__).parent / "js" / "check.html"
TALLEST = 900
"""Pixels of a shown picture; boxes are in thousandths."""
POINT = re.compile(r"\((\d{3}),(\d{3})\)|\[(\d{1,4}),(\d{1,4})\]")


def write(out: Path, count: int, seed: int) -> Path:
    """A page of `count` random questions about the screens of a folder. Raises InputError where it holds none."""
    asked = [(path, row, turn) for path in sorted(out.glob(checks.TICKED)) for row, turn in _questions(path)]
    if not asked:
        raise InputError(f"{out}: no samples with pictures to check")
    chosen = random.Random(f"check {seed}").sample(asked, min(count, len(asked)))
    items = [_item(_row(path, row), turn) for path, row, turn in sorted(chosen)]
    random.Random(seed).shuffle(items)
    page = out / "check.html"
    told = json.dumps(items, ensure_ascii=False).replace("<", "\\u003c")  # neither ends the script nor opens a comment
    files.write(page, PAGE.read_text(encoding="utf-8").replace("/*items*/[]", told))
    return page


def _questions(path: Path) -> Iterator[tuple[int, int]]:
    """(row, number of question) of every question about a picture."""
    for row, (turns, images) in enumerate(
        zip(store.read_column(path, "turns"), store.read_column(path, "images"), strict=True)
    ):
        for turn in range(len(json.loads(turns)) // 2 if images else 0):
            yield row, turn


def _row(path: Path, row: int) -> Sample:
    return _group(path, row // store.GROUP)[row % store.GROUP]


@lru_cache(maxsize=1)
def _group(path: Path, group: int) -> list[Sample]:
    """Rows come in order: a group is read once."""
    return store.read_group(path, group)


def _item(sample: Sample, turn: int) -> dict[str, Any]:
    question, answer = sample.turns[2 * turn].text, sample.turns[2 * turn + 1].text
    wholes = sample.meta.get("wholes", [])
    return {
        "id": checks.tick_of(sample.fingerprint, turn), "kind": sample.kind, "source": sample.source,
        "question": question, "answer": answer, "points": points(f"{question} {answer}"),
        "box": wholes[turn] if turn < len(wholes) else None,
        "picture": data_uri(jpeg(sample.images[0].data, 4 * TALLEST, TALLEST)),
    }  # fmt: skip


def points(text: str) -> list[list[int]]:
    """Every place in thousandths that a text writes."""
    return [[int(a or c), int(b or d)] for a, b, c, d in POINT.findall(text)]


def read(path: Path, out: Path) -> dict[str, bool]:
    """Ticks that a page exported: right or wrong by question.

    Raises InputError for a file that is none, and for ticks of questions that the folder `out` does not hold.
    """
    try:
        ticks = json.loads(path.read_text(encoding="utf-8"))["ticks"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no ticks of a check page there") from None
    if not isinstance(ticks, dict) or not ticks or not all(isinstance(one, bool) for one in ticks.values()):
        raise InputError(f"{path}: expected ticks, each true or false by its question")
    known = {name for samples in out.glob(checks.TICKED) for name in _names(samples)}
    if foreign := len(ticks.keys() - known):
        told = f"{foreign} of {len(ticks)} ticks are of samples that {out} does not hold"
        raise InputError(f"{path}: {told}; expected what a page of that folder exported (--check)")
    return ticks


def _names(path: Path) -> Iterator[str]:
    """What ticks of a file's questions are called."""
    for name, turns in zip(store.read_column(path, "id"), store.read_column(path, "turns"), strict=True):
        yield from (checks.tick_of(name, turn) for turn in range(len(json.loads(turns)) // 2))


def keep(out: Path, ticks: dict[str, bool]) -> None:
    """Write ticks beside the samples; of one that is ticked twice the last counts."""
    checks.append(out / checks.TICKS, *({"id": name, "right": right} for name, right in ticks.items()))
