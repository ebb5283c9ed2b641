"""Samples of graded rows: what pictures tell nothing of leaves, and key data is taken as often as the rule says.

The rule (lapis/data/steps/select.py) needs all rows at once: a few numbers of each are read first and become
`plan.json`, by which each partition is then written on its own. `select.json` tells people what the rule did.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data import store
from lapis.data.corpus import grade, part, steps
from lapis.data.corpus.plan import Part, code_of
from lapis.data.steps import pictures, select

AGREEMENT, DIFFICULTY, SELECT = "agreement", "difficulty", "select"
"""Names of the steps: of a picture with its text, of what the reader finds hard, of key data."""
PLAN, TOLD = "plan.json", "select.json"
Figures = dict[str, Counter[str]]
"""Of each kind: rows and bytes of text before, and after with all copies."""


def wanted(settings: config.Corpus) -> bool:
    """Whether rows are graded or resampled at all; else the kept rows are the samples."""
    return bool(settings.reader.model) or settings.resample


def forget(folder: Path, parts: Sequence[Part]) -> None:
    """Remove what an earlier build weighed, but for the grades: they cost a model's time."""
    for path in (folder / PLAN, folder / TOLD):
        path.unlink(missing_ok=True)
    for one in parts:
        for ending in (".kept.parquet", ".weighed.json", ".weighed.parquet"):
            one.file(folder, ending).unlink(missing_ok=True)


def write_plan(folder: Path, parts: Sequence[Part], settings: config.Corpus) -> None:
    """Write plan.json, from all rows that stay, and a plan of no kinds where nothing is resampled."""
    tally = select.Tally(settings.select)
    for one in parts if settings.resample else ():
        for table in _rows(one.file(folder, ""), bool(settings.reader.model), ("kind", "text", "quality")):
            stays = pc.is_null(_disagreeing(table, settings))
            tally.add(table.filter(stays))
    files.write_json(folder / PLAN, asdict(tally.plan()))


def read_plan(folder: Path) -> select.Plan:
    """What `write_plan` wrote."""
    tree = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    return select.Plan(tree["kinds"], tree["ranks"], tree["scale"], config.check(config.Select, tree["rules"]))


def jobs(folder: Path, parts: Sequence[Part], outs: Sequence[Path], settings: config.Corpus) -> list[dict[str, Any]]:
    """One job a partition, which becomes a file of samples."""
    told, code = json.loads(config.dump(settings)), code_of(__file__)
    return [
        {"base": str(one.file(folder, "")), "out": str(out), "folder": str(folder), "corpus": told, "code": code}
        for one, out in zip(parts, outs, strict=True)
    ]


def make(job: dict[str, Any]) -> dict[str, Any]:
    """Write one file of samples, and its counts. Raises InputError where the disk is full."""
    base, out, folder = Path(job["base"]), Path(job["out"]), Path(job["folder"])
    told = _ending(base, ".weighed.json")
    digest = _digest(base, job)
    if told.is_file() and out.is_file() and json.loads(told.read_text(encoding="utf-8"))["digest"] == digest:
        return {}
    settings = config.check(config.Corpus, job["corpus"])
    tally, figures = steps.Tally(settings.examples), Figures()
    plan = read_plan(folder) if settings.resample else None
    told.unlink(missing_ok=True)  # or a kill would leave other samples with the counts and digest of before
    with files.beside(out, f".{os.getpid()}") as path:
        _write(path, base, settings, plan, tally, figures)
    with files.beside(_ending(base, ".weighed.parquet"), f".{os.getpid()}") as path:
        pq.write_table(part.examples(tally), path, compression="zstd")
    files.write_json(told, {"digest": digest, "steps": tally.lines(), "figures": figures})
    return {}


def _ending(base: Path, ending: str) -> Path:
    return base.with_name(base.name + ending)


def _digest(base: Path, job: dict[str, Any]) -> str:
    """Of the kept rows (by their names, and by what was kept of them), their grades, the plan, the settings and our
    code."""
    digest = hashlib.blake2b(json.dumps([base.name, job["corpus"], job["code"]]).encode(), digest_size=16)
    written = json.loads(_ending(base, ".written.json").read_text(encoding="utf-8"))["digest"]
    digest.update(written.encode() + (Path(job["folder"]) / PLAN).read_bytes())
    digest.update(_ending(base, ".grades.parquet").read_bytes() if job["corpus"]["reader"]["model"] else b"")
    return digest.hexdigest()


def _rows(base: Path, graded: bool, columns: Sequence[str] = ()) -> Iterator[pa.Table]:
    """The kept rows of a partition, with their grades where they have some, group by group: all columns, or those of
    the named ones that are there."""
    known = pq.read_table(_ending(base, ".grades.parquet")) if graded else grade.SCHEMA.empty_table().select([])
    with pq.ParquetFile(_ending(base, ".kept.parquet")) as file:
        there = file.schema_arrow.names
        chosen = [name for name in columns or there if name in there]
        begin = 0
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=chosen)
            for name in known.column_names:
                table = table.append_column(name, known[name].slice(begin, table.num_rows))
            begin += table.num_rows
            yield table


def _disagreeing(table: pa.Table, settings: config.Corpus) -> pa.Array:
    """`image tells nothing` of rows, null where they stay or nobody read them."""
    if "gain" not in table.column_names or AGREEMENT in settings.skip:
        return pa.nulls(table.num_rows, pa.string())
    return pictures.disagree(table, settings.pictures)


def _write(
    path: Path, base: Path, settings: config.Corpus, plan: select.Plan | None, tally: steps.Tally, figures: Figures
) -> None:
    graded = bool(settings.reader.model)
    schema = pa.schema([*pq.read_schema(_ending(base, ".kept.parquet")), *(grade.SCHEMA if graded else ())])
    with store.writer_of(path, schema) as writer:
        for table in _rows(base, graded):
            if graded:
                reasons = _disagreeing(table, settings)
                tally.add(AGREEMENT, table, reasons)
                table = table.filter(pc.is_null(reasons))
                tally.add(DIFFICULTY, table)
            _count(figures, table, "")
            if plan is not None:
                table = _resampled(table, plan, tally)
            _count(figures, table, "taken_")
            writer.write_table(table.select(schema.names).cast(schema), row_group_size=store.GROUP)


def _resampled(table: pa.Table, plan: select.Plan, tally: steps.Tally) -> pa.Table:
    table = select.change(table, plan)
    tally.add(SELECT, table, select.judge(table))
    return select.taken(table)


def _count(figures: Figures, table: pa.Table, mark: str) -> None:
    sizes = pa.table({"kind": table["kind"], "bytes": pc.fill_null(pc.binary_length(table["text"]), 0)})
    sums = sizes.group_by("kind").aggregate([("bytes", "sum"), ([], "count_all")])
    for line in sums.to_pylist():
        own = figures.setdefault(line["kind"], Counter())
        own[f"{mark}rows"] += line["count_all"]
        own[f"{mark}bytes"] += line["bytes_sum"]


def write_told(folder: Path, parts: Sequence[Part]) -> None:
    """select.json: of each kind its rows, mean difficulty, weight, and what was taken of it; and the rule's numbers."""
    plan = read_plan(folder)
    figures = Figures()
    for one in parts:
        told = json.loads(one.file(folder, ".weighed.json").read_text(encoding="utf-8"))
        for kind, counts in told["figures"].items():
            figures.setdefault(kind, Counter()).update(counts)
    kinds = {
        kind: {**figures[kind], "difficulty": _mean(plan.ranks.get(kind, ())), "weight": plan.kinds.get(kind, 1.0)}
        for kind in sorted(figures)
    }
    files.write_json(folder / TOLD, {"kinds": kinds, "scale": plan.scale, "rules": asdict(plan.rules)})


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
