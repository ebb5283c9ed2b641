"""Sources to samples: partitions first, each on its own; then what must be joined over all, and the samples' files.

    sources -> slices -> read, row-wise steps, signatures (a partition each, kept)       make_parts
    all signatures -> exact, near, pictures -> evaluation sets                           make_samples
    what is left -> a reader's grades -> key data -> samples, counts

A killed build goes on with the partitions that are not finished; the joins take seconds and are made anew. They join
what the first function has made, whatever has become of the sources since.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data.corpus import contamination, copies, grade, part, plan, steps, weigh, write
from lapis.data.corpus.plan import Part
from lapis.data.corpus.runner import Runner
from lapis.data.corpus.world import World
from lapis.data.models import NONE, Models
from lapis.data.scaled import Scaled
from lapis.types import InputError, Progress

UNITS = 1000
"""How far each of the two functions advances its progress."""
COUNTS, DROPPED, BROKEN = "counts.json", "dropped.parquet", "broken.jsonl"
EVALUATIONS = "evaluations.npz"
PARTS = "parts.json"
"""The finished partitions: source and name of each, in order."""


def check(data: config.Data) -> None:
    """Raises InputError for a source that plan.check refuses, and for a step to skip that there is not."""
    plan.check(data)
    known = [*(step.name for step in steps.STEPS), weigh.AGREEMENT]
    for name in data.corpus.skip:
        if name not in known:
            raise InputError(f"data.corpus.skip: no step {name!r} to skip; there are {', '.join(known)}")


def make_parts(data: config.Data, folder: Path, progress: Progress) -> dict[str, Any]:
    """Make the partitions that are not there, and drop those that no source has any more.

    Raises InputError for a source whose place has nothing, and a full disk.
    """
    parts = plan.parts(data)
    _forget(parts, folder)
    jobs = part.jobs(data, parts, folder)
    share = Scaled(progress, UNITS, len(jobs))
    for _ in Runner(data.runner, data.workers).each("part:make", jobs):
        share.advance()
    if parts or folder.is_dir():
        files.write_json(folder / PARTS, _names(parts))
    told = {"plan": _names(parts), "corpus": config.dump(data.corpus), "exams": exams(data)}
    return {**told, "made": len(jobs)}


def names(data: config.Data) -> list[list[str]]:
    """Source and name of every partition that the sources have now."""
    return _names(plan.parts(data))


def exams(data: config.Data) -> list[list[Any]]:
    """Names, sizes and times of the evaluation sets that the recipe names, of folders all their files'."""
    paths = (Path(one).expanduser() for one in data.corpus.evaluations.against)
    return [plan.stamp(one, path.parent) for path in paths for one in (path, *sorted(path.rglob("*")))]


def _names(parts: Sequence[Part]) -> list[list[str]]:
    return [[one.source, one.name] for one in parts]


def _finished(folder: Path) -> list[Part]:
    """The partitions that `make_parts` has made."""
    count: Counter[str] = Counter()
    parts = []
    for source, name in json.loads((folder / PARTS).read_text(encoding="utf-8")):
        parts.append(Part(source, count[source], name, ()))
        count[source] += 1
    return parts


def _forget(parts: Sequence[Part], folder: Path) -> None:
    """Remove what belongs to no partition of today's, and what a kill left."""
    known = {(one.source, one.name) for one in parts}
    for old in sorted((folder / "parts").glob("*/*")):
        if (old.parent.name, old.name.partition(".")[0]) not in known or old.suffix == ".tmp":
            old.unlink()
    for old in sorted((folder / "parts").glob("*")):
        if old.name not in {one.source for one in parts}:
            shutil.rmtree(old)


def make_samples(
    data: config.Data,
    folder: Path,
    samples: Path,
    sets: Sequence[Path],
    progress: Progress,
    models: Models = NONE,
) -> dict[str, Any]:
    """Join the partitions, and write `samples/SOURCE-NNNN.parquet`, counts, examples of the dropped and the broken.

    `sets` are the evaluation sets that nothing may have read; `models` find photographs that look alike, and read what
    is left. Raises InputError for an evaluation set that is none, and a full disk.
    """
    if not data.sources and not folder.is_dir():
        return {"samples": {}}
    runner = Runner(data.runner, data.workers)
    world = World(folder, _finished(folder))
    copies.exact(world)
    progress.advance(UNITS // 10)
    copies.near(world, data.corpus.near, runner)
    progress.advance(UNITS // 5)
    if world.pictures:
        copies.screens(world)
        copies.photos(world, data.corpus.photos)
        if models.embedder is not None:
            copies.looks(world, data.corpus.photos, models.embedder)
    progress.advance(UNITS // 10)
    index = folder / EVALUATIONS
    compared = contamination.write_index(index, sets, data.corpus.evaluations, world.pictures)
    outs = [samples / write.name(one) for one in world.parts]
    _clear(samples, world.parts, folder)
    weighed = weigh.wanted(data.corpus)
    share = Scaled(progress, UNITS - 2 * (UNITS // 10) - UNITS // 5, len(outs) * (3 if weighed else 1))
    kept = [one.file(folder, ".kept.parquet") for one in world.parts]
    if not weighed:
        weigh.forget(folder, world.parts)  # first: a kill leaves no word of samples that are written over
    _work(runner, "write:make", write.jobs(world, data, kept if weighed else outs, index), share)
    if weighed:
        _weigh(world, data.corpus, outs, runner, models, share)
    return {"samples": _report(world, outs, data.corpus.examples, compared)}


def _work(runner: Runner, work: str, jobs: Sequence[dict[str, Any]], progress: Progress) -> None:
    for _ in runner.each(work, jobs):
        progress.advance()


def _weigh(
    world: World, settings: config.Corpus, outs: Sequence[Path], runner: Runner, models: Models, progress: Progress
) -> None:
    """What is left is read by a model, and taken by the rule of key data."""
    folder, parts = world.folder, world.parts
    grade.make(folder, parts, settings, models, progress)
    weigh.write_plan(folder, parts, settings)
    _work(runner, "weigh:make", weigh.jobs(folder, parts, outs, settings), progress)
    weigh.write_told(folder, parts)


def _clear(samples: Path, parts: Sequence[Part], folder: Path) -> None:
    """Remove the samples files of an earlier plan that hold another partition now or none, and what a kill left."""
    path = folder / "written.json"
    now = [f"{write.name(one)} {one.name}" for one in parts]
    for cut in samples.glob("*.parquet.*.tmp"):
        cut.unlink()
    if path.is_file():
        for told in set(json.loads(path.read_text(encoding="utf-8"))) - set(now):
            (samples / told.partition(" ")[0]).unlink(missing_ok=True)
    files.write_json(path, now)


def _report(world: World, outs: Sequence[Path], most: int, compared: Mapping[str, int]) -> dict[str, int]:
    """Write counts.json, dropped.parquet and broken.jsonl; returns the samples of each source, copies too.

    `compared` is the size of each evaluation set.
    """
    lines: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one, told in zip(world.parts, world.told, strict=True):
        for line in (*told["steps"], *_steps(one, world.folder)):
            _sum(lines, one.source, line)
    order = list(dict.fromkeys(name for name, _, _ in lines))
    every = sorted(lines.values(), key=lambda line: (order.index(line["name"]), line["source"], line["kind"]))
    files.write_json(world.folder / COUNTS, {"steps": every, "evaluations": _read(world, compared)})
    _broken(world)
    with files.beside(world.folder / DROPPED) as path:
        pq.write_table(pa.concat_tables([part.DROPPED.empty_table(), *_shown(world, most)]), path, compression="zstd")
    found: Counter[str] = Counter()
    for one, out in zip(world.parts, outs, strict=True):
        found[one.source] += pq.read_metadata(out).num_rows
    return dict(found)


def _steps(one: Part, folder: Path) -> Iterator[dict[str, Any]]:
    """Counts of the steps over all partitions."""
    for ending in (".written.json", ".weighed.json"):
        path = one.file(folder, ending)
        if path.is_file():
            yield from json.loads(path.read_text(encoding="utf-8"))["steps"]


def _read(world: World, compared: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Of each evaluation set its samples, and the rows that were dropped as they had read it, by reason."""
    dropped = {name: Counter[str]() for name in compared}
    for one in world.parts:
        told = json.loads(one.file(world.folder, ".written.json").read_text(encoding="utf-8"))
        for name, counts in told["read"].items():
            dropped[name].update(counts)
    return {name: {"samples": size, "dropped": dropped[name]} for name, size in compared.items()}


def _sum(lines: dict[tuple[str, str, str], dict[str, Any]], source: str, line: dict[str, Any]) -> None:
    key = (line["name"], source, line["kind"])
    if key not in lines:
        lines[key] = {"name": line["name"], "source": source, "kind": line["kind"], "in": 0, "out": 0, "dropped": {}}
    whole = lines[key]
    whole["in"] += line["in"]
    whole["out"] += line["out"]
    whole["dropped"] = dict(sorted((Counter(whole["dropped"]) + Counter(line["dropped"])).items()))


def _broken(world: World) -> None:
    with files.beside(world.folder / BROKEN) as path, path.open("w", encoding="utf-8") as out:
        for one in world.parts:
            told = json.loads(one.file(world.folder, ".json").read_text(encoding="utf-8"))
            out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in told["broken"])


def _shown(world: World, most: int) -> Iterator[pa.Table]:
    """The first few dropped rows of each step, reason and source."""
    kept: Counter[tuple[str, str, str]] = Counter()
    for one in world.parts:
        every = (
            one.file(world.folder, ending) for ending in (".dropped.parquet", ".copies.parquet", ".weighed.parquet")
        )
        for path in every:
            table = pq.read_table(path) if path.is_file() else part.DROPPED.empty_table()
            takes = []
            for at, both in enumerate(zip(table["step"].to_pylist(), table["reason"].to_pylist(), strict=True)):
                kept[one.source, *both] += 1
                if kept[one.source, *both] <= most:
                    takes.append(at)
            yield table.take(pa.array(takes, pa.int64()))


def texts(folder: Path, source: str, most: int) -> Iterator[str]:
    """The first texts of a source's partitions, up to so many characters."""
    size = 0
    for one in _finished(folder):
        if one.source != source:
            continue
        with pq.ParquetFile(one.file(folder, ".parquet")) as file:
            for batch in file.iter_batches(512, columns=["text"]):
                for text in batch.column(0).to_pylist():
                    size += len(text)
                    if size > most:
                        return
                    yield text
