"""From pages to files: samples as Parquet and what each screen is as JSON lines, in parts that a killed run keeps"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lapis import files
from lapis.data import store
from lapis.data.screens.kits.asked import samples
from lapis.data.screens.kits.shots import Shot
from lapis.data.sources.base import Broken
from lapis.data_config.screens import Screens
from lapis.types import InputError

CHUNK = 25
"""Pages of a part: what a killed run draws again at most."""
PAGES = "pages"
"""How many a folder holds or is about to, beside its settings."""
Maker = Callable[[Sequence[int]], Iterator[tuple[int, Sequence[Shot | Broken]]]]
"""Pages by number to (number, its screens or why it has none), in order."""


def make(what: Screens, pages: int, out: Path, draw: Maker, versions: Sequence[str]) -> dict[str, int]:
    """Draw what is missing of `pages` pages into `out`, and again what could not be shown; returns counts of screens,
    samples and broken pages. A part that an earlier command wanted more of is drawn as that wanted it.

    Raises InputError where `out` holds screens of other settings.
    """
    most = _begin(out, what, versions, pages)
    parts = [range(low, min(low + CHUNK, most)) for low in range(0, pages, CHUNK)]
    missing = [part for part in parts if not _whole(out, part)]
    drawn = draw([page for part in missing for page in part])
    for part in missing:
        _write(out, part, [next(drawn) for _ in part], what.seed)
    return counts(out)


def part_path(out: Path, part: range) -> Path:
    """The samples of a part."""
    return out / f"samples-{part.start:06d}.parquet"


def counts(out: Path) -> dict[str, int]:
    """How much a folder holds."""
    found: Counter[str] = Counter()
    for path in sorted(out.glob("screens-*.jsonl")):
        found.update("broken" if "reason" in line else "screens" for line in files.lines(path))
    for path in sorted(out.glob("samples-*.parquet")):
        found["samples"] += len(store.read_column(path, "id"))
    return {name: found[name] for name in ("screens", "samples", "broken")}


def _begin(out: Path, what: Screens, versions: Sequence[str], pages: int) -> int:
    """Write down what is made here and how many pages of it, the most that any command wanted, which is returned. A
    last part that holds fewer than it could is dropped."""
    asked = {**dataclasses.asdict(what), "versions": list(versions)}
    asked = json.loads(json.dumps({name: value for name, value in asked.items() if name not in ("workers", "count")}))
    record = out / "screens.json"
    before = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {**asked, PAGES: pages}
    held = before.pop(PAGES, pages)
    if before != asked:
        raise InputError(f"{out}: holds screens of other settings ({record.name}); take another folder")
    if pages > held and held % CHUNK:
        part_path(out, range(held - held % CHUNK, held)).unlink(missing_ok=True)
    files.write_json(record, {**asked, PAGES: max(pages, held)})
    return max(pages, held)


def _whole(out: Path, part: range) -> bool:
    """Whether a part is there and all of its pages could be shown."""
    return part_path(out, part).is_file() and not any("reason" in line for line in files.lines(_told_path(out, part)))


def _told_path(out: Path, part: range) -> Path:
    return out / f"screens-{part.start:06d}.jsonl"


def _write(out: Path, part: range, drawn: Sequence[tuple[int, Sequence[Shot | Broken]]], seed: int) -> None:
    """What each screen is, then the samples, whose file says that the part is done."""
    made = [one for _, found in drawn for one in found]
    lines = "".join(json.dumps(told(one), ensure_ascii=False) + "\n" for one in made)
    files.write(_told_path(out, part), lines)
    shots = [one for one in made if isinstance(one, Shot)]
    store.write_samples(part_path(out, part), (sample for shot in shots for sample in samples(shot, seed)))


def told(one: Shot | Broken) -> dict[str, Any]:
    """A screen as one line: how it was drawn, and its elements with their boxes in pixels."""
    if isinstance(one, Broken):
        return {"source": one.place, "place": one.place, "reason": one.reason}
    screen = one.screen
    elements = [[two.role, two.name, *two.box, two.unique] for two in screen.elements]
    return {
        "source": one.source, "licence": one.licence, "kind": screen.template, "lang": screen.lang, **one.meta,
        "width": screen.image.width, "height": screen.image.height, "elements": elements,
    }  # fmt: skip
