"""What stays of a partition becomes a file of samples, without the rows that are copies or have read an evaluation;
where a model reads them or they are resampled, a file of kept rows, of which weigh.py makes the samples.

A file is kept from one start to the next where its partition, what leaves it and the evaluation sets are the same: that
is what its `.json` beside the partition says.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lapis import config, files
from lapis.data import store
from lapis.data.corpus import part, steps
from lapis.data.corpus.contamination import Index
from lapis.data.corpus.plan import Part, code_of
from lapis.data.corpus.world import REASONS, STEPS, World

EVALUATION = "decontaminate"
"""Name of the step that compares with evaluation sets."""
Others = dict[tuple[str, str], str]
"""Of dropped rows by id and reason (equal rows have one id): what stayed, or the evaluation sample that was read."""


def name(one: Part) -> str:
    """What the samples file of a partition is called."""
    return f"{one.source}-{one.number:04d}.parquet"


def jobs(world: World, data: config.Data, outs: Sequence[Path], index: Path) -> list[dict[str, Any]]:
    """One job a partition, which writes its file of `outs`; which rows of it leave stands in a file."""
    made, code = [], code_of(__file__)
    for number, (one, out_file) in enumerate(zip(world.parts, outs, strict=True)):
        rows = world.of_part(number)
        gone = one.file(world.folder, ".gone.npz")
        other = _shown(world, rows, data.corpus.examples)
        with files.beside(gone) as path, path.open("wb") as out:
            np.savez(
                out,
                allow_pickle=False,
                why=world.why[rows],
                at=np.array(list(other), dtype=np.int64),
                ids=np.array([*other.values()] or [""]),
            )
        settings = json.loads(config.dump(data.corpus))
        made.append(
            {
                "base": str(one.file(world.folder, "")),
                "out": str(out_file),
                "index": str(index),
                "corpus": settings,
                "code": code,
            }
        )
    return made


def _shown(world: World, rows: slice, most: int) -> dict[int, str]:
    """Of the first few rows of each reason that leave: place in the partition, and id of the row that stays."""
    why = world.why[rows]
    places = [np.flatnonzero(why == code)[:most] for code in range(1, len(REASONS))]
    chosen = np.sort(np.concatenate(places))
    return dict(zip(chosen.tolist(), world.ids(world.other[rows][chosen]), strict=True))


def make(job: dict[str, Any]) -> dict[str, Any]:
    """Write one file of samples, and its counts. Raises InputError where the disk is full."""
    base, out = Path(job["base"]), Path(job["out"])
    told = base.with_name(base.name + ".written.json")
    digest = _digest(base, job)
    if told.is_file() and out.is_file() and json.loads(told.read_text(encoding="utf-8"))["digest"] == digest:
        return {}
    settings = config.check(config.Corpus, job["corpus"])
    tally = steps.Tally(settings.examples)
    others: Others = {}
    told.unlink(missing_ok=True)  # or a kill would leave other samples with the counts and digest of before
    with files.beside(out, f".{os.getpid()}") as path:
        index = Index(Path(job["index"]), settings.evaluations, settings.photos.distance)
        read = _write(path, base, index, tally, others)
    shown = part.examples(tally)
    rows = zip(shown["id"].to_pylist(), shown["reason"].to_pylist(), strict=True)
    other = pa.array([others.get(row) for row in rows], pa.string())
    with files.beside(base.with_name(base.name + ".copies.parquet"), f".{os.getpid()}") as path:
        pq.write_table(
            shown.set_column(shown.schema.get_field_index("other"), "other", other), path, compression="zstd"
        )
    files.write_json(told, {"digest": digest, "steps": tally.lines(), "read": read})
    return {}


def _digest(base: Path, job: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps([base.name, job["corpus"], job["code"]]).encode(), digest_size=16)
    for path in (base.with_name(base.name + ".gone.npz"), Path(job["index"])):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(path: Path, base: Path, index: Index, tally: steps.Tally, others: Others) -> dict[str, dict[str, int]]:
    """Write the samples; returns how many rows have read each evaluation set, by reason."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    with np.load(base.with_name(base.name + ".gone.npz"), allow_pickle=False) as held:
        why, known = held["why"], dict(zip(held["at"].tolist(), held["ids"].tolist(), strict=False))
    begin = 0
    with (
        pq.ParquetFile(base.with_name(base.name + ".parquet")) as file,
        store.writer_of(path, file.schema_arrow) as writer,
    ):
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            table = _leave(table, why[begin : begin + table.num_rows], tally, known, begin, others)
            begin += file.metadata.row_group(group).num_rows
            if table.num_rows:
                reasons, read = index.judge(table)
                tally.add(EVALUATION, table, reasons)
                for name, sample, reason in zip(table["id"].to_pylist(), read, reasons.to_pylist(), strict=True):
                    if sample:
                        others[name, reason] = sample
                        found[sample.rpartition(" ")[0]][reason] += 1
                table = table.filter(pc.is_null(reasons)) if reasons.null_count < len(reasons) else table
                writer.write_table(table, row_group_size=store.GROUP)
    return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}


def _leave(
    table: pa.Table, why: Any, tally: steps.Tally, known: dict[int, str], begin: int, others: Others
) -> pa.Table:
    """The rows that are no copies; each step counts what the one before left."""
    ids = table["id"].to_pylist()
    here = ((at - begin, name) for at, name in known.items() if begin <= at < begin + len(ids))
    others |= {(ids[at], REASONS[why[at]]): name for at, name in here}
    stays = np.ones(table.num_rows, dtype=np.bool_)
    for step in ("exact", "near", "looks"):
        own = [code for code, reason in enumerate(REASONS) if code and STEPS.get(reason, "looks") == step]
        tally.came(step, table["kind"].filter(pa.array(stays)))
        hit = np.isin(why, own)
        if hit.any():
            words = pa.array(REASONS).take(pa.array(why[hit]))
            tally.left(step, table.filter(pa.array(hit)).append_column("reason", words))
        stays &= ~hit
    return table.filter(pa.array(stays))
