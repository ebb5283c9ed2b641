"""The steps of the data stage that a recipe asks for: pages of UI kits, and SFT and RL sets"""

from __future__ import annotations

import os
import shutil
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from lapis import files
from lapis.data import store
from lapis.data.check import checks
from lapis.data.corpus import contamination, engine, evaluations
from lapis.data.gather import Stage
from lapis.data.screens.kits import asked, kits, shots
from lapis.data.screens.kits.kits import Kit
from lapis.data.sets import build, following, items
from lapis.data_config.sets import Sets
from lapis.types import Sample

CHUNK = 100
"""Pages of one file: what a killed run draws again at most."""
VIEWS = 2
"""Most screens of a page: more of one page are worth less than another page."""
CONSTRAINTS = 3
"""Most constraints of an instruction."""
ITEMS = "items.parquet"
"""RL items of the user's own, among what RL asks."""


def make_kits(stage: Stage) -> dict[str, Any]:
    """Draw `data.kit_pages` pages with the kits that lie in the cache; without any with our plain one, and a note."""
    many = stage.recipe.data.kit_pages
    if not many:
        return {}
    here = tuple(kit for kit in kits.KITS if kit != kits.PLAIN and "phone" in kit.devices and kits.is_there(kit))
    series = shots.Series(stage.recipe.seed, "train", here or (kits.PLAIN,), ("phone",), VIEWS)
    screens = 0
    for start in range(0, many, CHUNK):
        path, pages = stage.samples / f"kits-{start // CHUNK:04d}.parquet", range(start, min(start + CHUNK, many))
        if path.is_file():
            stage.progress.advance(len(pages))
        else:
            store.write_samples(path, _drawn(stage, series, pages))
        screens += len(set(store.read_column(path, "source")))
    notes = [] if here else ["no UI kit here: pages of our own plain one (`lapis data screens count=1` fetches kits)"]
    return {"pages": many, "screens": screens, "kits": _sources(here), "notes": notes}


def _sources(here: Sequence[Kit]) -> list[str]:
    return [kit.source for kit in here]


def _drawn(stage: Stage, series: shots.Series, pages: Sequence[int]) -> Iterator[Sample]:
    for _, found in shots.shots(series, pages, stage.recipe.data.workers, stage.progress):
        for shot in found:
            yield from asked.samples(shot, stage.recipe.seed)


def make_sets(stage: Stage) -> dict[str, Any]:
    """Questions without copies and in balance, generated instructions, and RL items of the user's own.

    Raises InputError for items that are none.
    """
    wanted, made = stage.recipe.data.sets, dict[str, Any]()
    if wanted.sft:
        made["sft"] = _balanced(stage)
    if wanted.instructions:
        drawn = following.generate(wanted.instructions, stage.recipe.seed, CONSTRAINTS)
        made["instructions"] = store.write_samples(stage.fresh / "instructions.parquet", drawn)
    if wanted.items:
        made |= _given(stage, Path(wanted.items).expanduser())
    return made


def _given(stage: Stage, path: Path) -> dict[str, Any]:
    """Items of a file without those that a person called wrong, which are told."""
    is_wrong = checks.wrong(path)
    right = (item for item in items.given(path) if not is_wrong(item))
    whole = stage.out / "sets" / ITEMS
    whole.parent.mkdir(parents=True, exist_ok=True)
    made = store.write_samples(whole, right)
    left = len(store.read_column(path, "id")) - made
    return {"items": made} | ({"notes": [f"{path.name}: items left out, {checks.WRONG}: {left}"]} if left else {})


def spare_evaluations(stage: Stage) -> int:
    """RL items to ask: those given but for what has read what is held out, as samples of sources go
    (corpus/contamination.py), or equals it. Returns how many those are. Raises InputError for an evaluation set that
    is none.

    All that were given stay in `sets/`: after a kill, or with other evaluation sets, they are gone through once more.
    """
    path, whole = stage.fresh / ITEMS, stage.out / "sets" / ITEMS
    if not whole.is_file():
        return 0
    place = whole.with_name(engine.EVALUATIONS)
    pictures = any(one.images for one in store.read_samples(whole))
    sets = evaluations.sets(stage.recipe, stage.held)
    index = contamination.indexed(place, sets, stage.recipe.data.corpus, pictures)
    keys = {key for file in stage.held.glob("*.parquet") for key in store.read_column(file, "key")}
    return len(store.read_column(whole, "id")) - store.write_samples(path, _unread(whole, index, keys))


def _unread(path: Path, index: contamination.Index, keys: Container[str]) -> Iterator[Sample]:
    for group in range(store.groups(path)):
        samples = store.read_group(path, group)
        reasons, _ = index.judge(store.to_table(samples))
        for sample, why in zip(samples, reasons.to_pylist(), strict=True):
            if why is None and store.key(sample) not in keys:
                yield sample


def _balanced(stage: Stage) -> int:
    """The questions in `samples/` are replaced by the SFT set of them; what was generated stays in `sets/`."""
    place, folder = stage.samples / "questions.parquet", stage.out / "sets"
    whole = folder / "questions.parquet"
    if not whole.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(place, whole)
    built = build.build(Sets(seed=stage.recipe.seed), [whole], folder)
    with files.beside(place) as part:
        shutil.copyfile(folder / "sft.parquet", part)
    return built.sft
