"""The whole data stage: what is made in which order, and from samples to shards.

Every step leaves a marker with its counts when it is done, and long steps keep finished files, so that a stage that
was killed goes on where it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lapis import chat, config, files
from lapis.data import gather, gather_long, gather_sets, handlers, store, vocabulary
from lapis.data.corpus import contamination, engine, evaluations
from lapis.data.gather import Stage
from lapis.data.models import NONE, Models
from lapis.data.scaled import Scaled
from lapis.data.shards import Entry, fingerprint, write_index, write_shard
from lapis.data.sources.packages import default_cache
from lapis.data.tokenise import Cutter, example
from lapis.types import InputError, Progress, Sample

CORPUS = vocabulary.CORPUS
"""Folder of the data engine."""
CAPTIONS = "captions"
"""Name of the samples file of figures with their captions."""
TALLIED = ("lang", "licence")
"""Columns whose values are counted by kind."""
SHARD_GROUPS = 4
"""Row groups of samples that become one shard."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its share of the stage's time, in thousandths, and how many advances it makes."""

    name: str
    units: int
    make: Callable[[Stage], dict[str, Any]]
    count: Callable[[config.Data], int] = field(default=lambda data: 1)


def build(
    recipe: config.Recipe,
    out: Path,
    progress: Progress,
    cache: Path | None = None,
    until: str | None = None,
    models: Models = NONE,
) -> None:
    """Make everything under `out`: samples/, heldout/, fresh/, tokenizer/, shards/, counts.json, and last done.json.

    `progress` advances by UNITS in all; what was done before counts at once. `cache` keeps fetched packages between
    runs, `until` names the step that is the last one for now, and `models` are those that steps ask. Raises InputError
    for a bad text source, a missing browser or font, and a full disk.
    """
    if (out / "done.json").is_file():
        progress.advance(UNITS)
        return
    try:
        for step in steps_of(recipe.data):
            part = Scaled(progress, step.units, step.count(recipe.data))
            _run(step, Stage(recipe, out, part, cache or default_cache(), models))
            part.finish()
            if step.name == until:
                return
        files.write_json(out / "done.json", {"counts": json.loads((out / "counts.json").read_text(encoding="utf-8"))})
    except OSError as error:
        if files.is_full(error):
            raise InputError(f"{out}: the disk is full; what was finished is kept") from None
        raise


def steps_of(data: config.Data) -> tuple[Step, ...]:
    """The steps of a recipe in order. Where nothing is made but sources' samples, the tokenizer is trained on them."""
    return STEPS if data.made else tuple(step for name in ALONE for step in STEPS if step.name == name)


def current(data: config.Data, marker: Path, weights: str = "") -> bool:
    """Whether the partitions and evaluation sets that the marker of `parts` names are those that there are now, and
    `weights` those of the models that were asked."""
    told: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
    now = {"corpus": config.dump(data.corpus), "exams": engine.exams(data), "weights": weights}
    return all(told.get(name) == value for name, value in now.items()) and told["plan"] == engine.names(data)


def reopen(data: config.Data, out: Path) -> None:
    """Have the steps that read sources done once more; finished partitions are kept.

    So is the tokenizer where a recipe makes samples by itself, since their lengths were measured with it.
    """
    (out / "done.json").unlink(missing_ok=True)
    # Last steps first: a kill leaves the marker of `parts`, by which the next start sees that this is to be done.
    for name in reversed(AFTER if data.made else ALONE):
        (out / "steps" / f"{name}.json").unlink(missing_ok=True)
        if name == "shards":
            files.remove(out / "shards")


def _run(step: Step, stage: Stage) -> None:
    marker = stage.out / "steps" / f"{step.name}.json"
    if not marker.is_file():
        stage.progress.advance(0, step.name)
        files.write_json(marker, step.make(stage))


def make_parts(stage: Stage) -> dict[str, Any]:
    """Partitions of the recipe's sources."""
    made = engine.make_parts(stage.recipe.data, stage.out / CORPUS, stage.progress)
    return {**made, "weights": stage.models.weights}


def make_corpus(stage: Stage) -> dict[str, Any]:
    """Samples of the recipe's sources, without copies and without what is held out."""
    folders, sets = (stage.out / CORPUS, stage.samples), evaluations.sets(stage.recipe, stage.held)
    return engine.make_samples(stage.recipe.data, *folders, sets, stage.progress, stage.models)


def decontaminate(stage: Stage) -> dict[str, Any]:
    """Training samples that equal a held-out one by normalised text, and captions whose figure a held-out one shows:
    counted here, and left out of the shards.

    RL's own questions are counted beside them, and rl/questions.py asks none that equals a held-out one. Items of the
    user's own are taken out here, also those that share only a part (gather_sets.spare_evaluations).
    """
    held = {key for path in sorted(stage.held.glob("*.parquet")) for key in store.read_column(path, "key")}
    gone = held | _shown(stage)
    leaked = {path.stem: _leaks(path, gone) for path in _files(stage)}
    spared = gather_sets.spare_evaluations(stage)
    asked = {f"fresh/{path.stem}": len(_leaks(path, held)) for path in sorted(stage.fresh.glob("*.parquet"))}
    if spared:
        asked["fresh/items"] = spared
    counts = {name: len(keys) for name, keys in leaked.items()} | asked
    return {"leaked": counts, "keys": sorted(set().union(*leaked.values()))}


def _leaks(path: Path, held: set[str]) -> list[str]:
    return [key for key in store.read_column(path, "key") if key in held]


def _shown(stage: Stage) -> set[str]:
    """Keys of captions whose figure is held out: two pages of a package may show one."""
    path, held = stage.samples / f"{CAPTIONS}.parquet", stage.held / "caption.parquet"
    taught = list(store.read_samples(path)) if path.is_file() and held.is_file() else []
    if not taught:
        return set()
    index = contamination.indexed(stage.out / "steps" / "caption.npz", [held], stage.recipe.data.corpus, shown=True)
    reasons, _ = index.judge(store.to_table(taught))
    return {store.key(sample) for sample, why in zip(taught, reasons.to_pylist(), strict=True) if why}


def _files(stage: Stage) -> list[Path]:
    """Samples files of training."""
    return sorted(stage.samples.glob("*.parquet"))


@dataclass(frozen=True, slots=True)
class _Job:
    """Row groups that become one shard."""

    path: Path
    groups: tuple[int, ...]
    name: str


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a shard's process needs."""

    model: config.Model
    tokenizer: Path
    folder: Path
    leaked: frozenset[str]


def make_shards(stage: Stage) -> dict[str, Any]:
    """Tokenise every samples file into shards, in processes; finished shards of a cut run are kept."""
    folder = stage.out / "shards"
    leaked = json.loads((stage.out / "steps" / "decontaminate.json").read_text(encoding="utf-8"))["keys"]
    setting = _Setting(stage.recipe.model, stage.out / "tokenizer", folder, frozenset(leaked))
    jobs = [job for path in _files(stage) for job in _jobs(path)]
    part = Scaled(stage.progress, 100, len(jobs))
    entries = []
    for entry in _entries(jobs, setting, stage.recipe.data.workers):
        part.advance()
        entries.append(entry)
    write_index(folder, entries, fingerprint(setting.tokenizer))
    for job in jobs:
        _entry_file(folder, job).unlink()
    return {"tokens": _tokens(entries)}


def _jobs(path: Path) -> list[_Job]:
    numbers = range(store.groups(path))
    parts = [tuple(numbers[at : at + SHARD_GROUPS]) for at in range(0, len(numbers), SHARD_GROUPS)]
    return [_Job(path, part, f"{path.stem}-{number:04d}") for number, part in enumerate(parts)]


def _entries(jobs: list[_Job], setting: _Setting, workers: int) -> Iterator[Entry]:
    if workers == 1 or len(jobs) == 1:
        yield from (_shard(job, setting) for job in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_shard, jobs, [setting] * len(jobs))


def _entry_file(folder: Path, job: _Job) -> Path:
    return folder / f"{job.name}.entry.json"


def _shard(job: _Job, setting: _Setting) -> Entry:
    """Write one shard, unless a cut run has finished it."""
    kept = _entry_file(setting.folder, job)
    if kept.is_file():
        return Entry(**json.loads(kept.read_text(encoding="utf-8")))
    tokenizer = chat.Tokenizer.load(setting.tokenizer, setting.model.tokens_per_tile)
    cutter = Cutter(tokenizer, setting.model)
    examples = (example(sample, tokenizer, setting.model, cutter) for sample in _kept(job, setting.leaked))
    entry = write_shard(setting.folder, job.name, examples)
    files.write_json(kept, asdict(entry))
    return entry


def _kept(job: _Job, leaked: frozenset[str]) -> Iterator[Sample]:
    for group in job.groups:
        for sample in store.read_group(job.path, group):
            if not leaked or store.key(sample) not in leaked:
                yield sample


def _tokens(entries: list[Entry]) -> dict[str, dict[str, int]]:
    """Samples, tokens and tiles of each kind."""
    samples: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    tiles: Counter[str] = Counter()
    for entry in entries:
        samples.update(entry.kinds)
        for kind, length, many in zip(entry.kinds, entry.lengths, entry.tiles, strict=True):
            tokens[kind] += length
            tiles[kind] += many
    return {kind: {"samples": samples[kind], "tokens": tokens[kind], "tiles": tiles[kind]} for kind in sorted(samples)}


def make_counts(stage: Stage) -> dict[str, Any]:
    """counts.json: samples, tokens, languages and licences per kind, what was dropped and why, what is held out."""
    steps = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (stage.out / "steps").glob("*.json")}
    kinds: dict[str, dict[str, Any]] = steps["shards"]["tokens"]
    for (kind, name), found in _tallies(stage, {*steps["decontaminate"]["keys"]}).items():
        kinds.setdefault(kind, {"samples": 0, "tokens": 0, "tiles": 0})[name] = dict(found)
    counts = {
        "kinds": kinds,
        "sources": steps["corpus"]["samples"],
        "dropped": steps.get("prose", {}).get("dropped", {}),
        "leaked": steps["decontaminate"]["leaked"],
        "notes": [note for name in NOTING for note in steps.get(name, {}).get("notes", ())],
        "heldout": {path.stem: pq.read_metadata(path).num_rows for path in sorted(stage.held.glob("*.parquet"))},
    }
    files.write_json(stage.out / "counts.json", counts)
    return {}


def _tallies(stage: Stage, leaked: Container[str]) -> dict[tuple[str, str], Counter[str]]:
    """Languages and licences of the samples that are in the shards, by kind and name of the column."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for path in _files(stage):
        columns = (store.read_column(path, name) for name in ("key", "kind", *TALLIED))
        for key, kind, *values in zip(*columns, strict=True):
            if key not in leaked:
                for name, value in zip(TALLIED, values, strict=True):
                    found.setdefault((kind, name), Counter())[value] += 1
    return found


STEPS = (
    Step("prose", 90, gather.make_prose),
    Step("captions", 30, gather.make_captions),
    Step("parts", 40, make_parts, lambda data: engine.UNITS),
    Step("tokenizer", 50, vocabulary.make_tokenizer),
    Step("screens", 360, gather.make_screens, lambda data: data.screens),
    Step("pages", 100, gather.make_pages, lambda data: data.pages),
    Step("kits", 5, gather_sets.make_kits, lambda data: data.kit_pages),
    Step("held_screens", 40, gather.make_held_screens, lambda data: 2 * data.held_screens),
    Step("questions", 60, gather.make_questions, lambda data: data.questions),
    Step("fresh", 40, gather.make_fresh, lambda data: data.fresh),
    Step("sets", 5, gather_sets.make_sets),
    Step("needles", 20, gather.make_needles),
    Step("long", 5, gather_long.make_long),
    Step("own", 10, handlers.make_own),
    Step("corpus", 30, make_corpus, lambda data: engine.UNITS),
    Step("decontaminate", 10, decontaminate),
    Step("shards", 195, make_shards, lambda data: 100),
    Step("counts", 5, make_counts),
)
ALONE = ("parts", "corpus", "tokenizer", "decontaminate", "shards", "counts")
"""Steps where a recipe makes nothing beside its sources' samples."""
NOTING = ("prose", "captions", "kits", "sets")
"""Steps that may have something to tell people."""
AFTER = ("parts", "corpus", "decontaminate", "shards", "counts")
"""Steps of other recipes that are done once more where sources changed."""
UNITS = sum(step.units for step in STEPS)
"""How far `progress` advances in a whole data stage."""
