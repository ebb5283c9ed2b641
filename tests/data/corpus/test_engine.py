"""The engine over a small corpus: what stays, what is counted, what is kept between builds, and what a kill leaves."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lapis import coherent, config, data_cluster, files
from lapis.data import pipeline, store
from lapis.data.corpus import engine
from lapis.data.shards import Shards, fingerprint
from lapis.recipes import corpus as corpus_recipe
from lapis.rl.fleet import cluster
from lapis.types import InputError, Silent
from tests import tiny
from tests.conftest import lapis
from tests.data import world
from tests.data.corpus import made

BROKEN = {3: b"{bad", 7: b'{"text": "\xff\xfe"}', 9: b'{"no": 1}', 11: b'{"text": 5}', 12: b'{"text": "a\\u0000b"}'}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = random.Random(0)
    return [made.text(rng) for _ in range(60)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    """Two sources with broken records, short texts, exact and near copies within and across them."""
    out = tmp_path_factory.mktemp("built")
    rng = random.Random(1)
    first = [*texts[:40], texts[0], texts[1].upper(), made.changed(texts[2], rng, 2), "too short"]
    second = [texts[3], made.changed(texts[4], rng, 1), *texts[40:]]
    made.write(out / "a.jsonl", first, BROKEN)
    made.write(out / "b.jsonl", second)
    made.run(made.data({"first": out / "a.jsonl", "second": out / "b.jsonl"}), out / "out")
    return out / "out"


def test_what_stays_is_everything_once_and_the_first_source_wins(built: Path, texts: list[str]) -> None:
    assert made.kept(built, "first") == texts[:40]
    assert made.kept(built, "second") == texts[40:]


def test_every_record_is_counted_at_the_step_where_it_leaves(built: Path) -> None:
    steps = json.loads((built / "corpus/counts.json").read_text(encoding="utf-8"))["steps"]
    for source, records, samples in (("first", 44, 40), ("second", 22, 20)):
        own = [step for step in steps if step["source"] == source and step["kind"] == "prose"]
        assert own[0]["in"] == records and own[-1]["out"] == samples
        assert all(one["in"] == before["out"] for before, one in zip(own, own[1:], strict=False))
        assert all(step["in"] - sum(step["dropped"].values()) == step["out"] for step in own)
    (broken,) = (step for step in steps if step["kind"] == "broken")
    assert (broken["name"], broken["in"], broken["out"]) == ("read", 5, 0)
    told = {(step["name"], step["source"]): step["dropped"] for step in steps if step["kind"] == "prose"}
    reasons = {"bad JSON": 1, "not UTF-8": 1, "no text": 1, "wrong type": 1, "null byte": 1}
    assert broken["dropped"] == reasons and not told["read", "first"]
    assert told["quality", "first"] == {"few words": 1}
    assert told["exact", "first"] == {"exact copy": 2} and told["near", "first"] == {"near copy": 1}
    assert told["exact", "second"] == {"exact copy": 1} and told["near", "second"] == {"near copy": 1}


def test_mixed_records_are_counted_by_what_they_are_and_may_stand_in_mixtures(tmp_path: Path, texts: list[str]) -> None:
    talk = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}
    rows = [{"text": texts[0]}, talk, {"text": texts[1]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = made.data({"web": tmp_path / "a.jsonl"})
    steps = made.run(settings, tmp_path / "out")["steps"]
    assert [(one["kind"], one["in"]) for one in steps if one["name"] == "exact"] == [("chat", 1), ("prose", 2)]
    recipe = corpus_recipe.recipe()
    stage = replace(recipe.stages[0], mixture={"prose": 0.5, "chat": 0.5})
    coherent.check(replace(recipe, data=settings, stages=(stage,)))
    sources = {"web": replace(settings.sources["web"], kind="prose")}
    with pytest.raises(InputError, match=r"mixture\.chat: no such kind"):
        coherent.check(replace(recipe, data=replace(settings, sources=sources), stages=(stage,)))


def test_the_dropped_are_shown_with_what_stayed_instead(built: Path, texts: list[str]) -> None:
    ids = {row["text"]: row["id"] for path in (built / "samples").glob("*") for row in pq.read_table(path).to_pylist()}
    rows = made.dropped(built)
    assert sorted((row["step"], row["reason"]) for row in rows) == sorted(
        [("exact", "exact copy")] * 3 + [("near", "near copy")] * 2 + [("quality", "few words")]
    )
    other = {row["text"]: row["other"] for row in rows}
    assert other[texts[1].upper()] == ids[texts[1]]
    assert next(row["other"] for row in rows if row["source"] == "second b.jsonl line 2") == ids[texts[4]]


def test_broken_records_have_their_place(built: Path) -> None:
    lines = [json.loads(line) for line in (built / "corpus/broken.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["place"], line["reason"]) for line in lines] == [
        ("a.jsonl line 4", "bad JSON"),
        ("a.jsonl line 9", "not UTF-8"),
        ("a.jsonl line 12", "no text"),
        ("a.jsonl line 15", "wrong type"),
        ("a.jsonl line 17", "null byte"),
    ]


def test_samples_are_those_that_a_sample_object_gives(built: Path) -> None:
    for path in (built / "samples").glob("*.parquet"):
        for row, sample in zip(pq.read_table(path).to_pylist(), store.read_samples(path), strict=True):
            assert (row["id"], row["key"], row["text"]) == (sample.fingerprint, store.key(sample), sample.turns[0].text)
            assert sample.licence == "NOASSERTION" and sample.source.endswith(f"line {sample.source.split()[-1]}")


def test_new_files_and_sources_leave_finished_partitions_alone(tmp_path: Path, texts: list[str]) -> None:
    out = tmp_path / "out"
    made.write(tmp_path / "web/a.jsonl", texts[:10])
    made.run(made.data({"web": tmp_path / "web/*.jsonl"}, "slice_mb=1e-6"), out)
    before = {path: path.stat().st_mtime_ns for path in (out / "corpus/parts").rglob("*.signs.parquet")}
    made.write(tmp_path / "web/b.jsonl", texts[10:20])
    made.write(tmp_path / "more.jsonl", texts[20:30])
    settings = made.data({"web": tmp_path / "web/*.jsonl", "more": tmp_path / "more.jsonl"}, "slice_mb=1e-6")
    assert engine.make_parts(settings, out / "corpus", Silent())["made"] == 2
    made.run(settings, out)
    assert made.kept(out) == [*texts[20:30], *texts[:20]]
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    made.run(made.data({"more": tmp_path / "more.jsonl"}, "slice_mb=1e-6"), out)
    assert made.kept(out) == texts[20:30]
    assert not (out / "corpus/parts/web").exists()


KILLED = """
import signal, sys
from pathlib import Path
from tests.data.corpus import made

def run(out, after):
    return made.killed(lambda: made.run(settings, out), after)

folder = Path(sys.argv[1])
settings = made.data({"web": folder / "web/*.jsonl"}, "slice_mb=1e-6")
run(folder / "whole", 0)
for after in (2, 6, 7, 9):
    code = run(folder / "cut", after)
    assert code == -signal.SIGKILL, (after, code)
run(folder / "cut", 0)
"""


def test_killed_anywhere_and_run_again_gives_the_same_bytes(tmp_path: Path, texts: list[str]) -> None:
    rng = random.Random(2)
    made.write(tmp_path / "web/a.jsonl", texts[:20], BROKEN)
    made.write(tmp_path / "web/b.jsonl", [made.changed(texts[5], rng, 1), *texts[20:40]])
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert made.contents(tmp_path / "cut") == made.contents(tmp_path / "whole")


def test_processes_give_what_one_gives(tmp_path: Path, texts: list[str], built: Path) -> None:
    folder = built.parent
    settings = made.data({"first": folder / "a.jsonl", "second": folder / "b.jsonl"})
    parallel = config.check(config.Data, json.loads(config.dump(settings)) | {"workers": 2})
    made.run(parallel, tmp_path)
    assert made.contents(tmp_path) == made.contents(built)


def test_hashes_joined_in_many_rounds_give_what_one_gives(
    tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lapis.data.corpus.world.ROUND", 3)
    folder = built.parent
    made.run(made.data({"first": folder / "a.jsonl", "second": folder / "b.jsonl"}), tmp_path)
    assert made.contents(tmp_path) == made.contents(built)


def test_the_same_plan_on_ray_gives_the_same_bytes(tmp_path: Path, built: Path) -> None:
    for runner in ("native", "ray"):
        places = [f"data.sources.{name}.place={built.parent / name[0]}.jsonl" for name in ("a", "b")]
        forms = ["data.sources.a.form=jsonl", "data.sources.b.form=jsonl", "data.corpus.resample=true"]
        words = [*forms, *places, f"data.runner={runner}", "data.workers=2", f"out={tmp_path / runner}"]
        done = lapis("data", "build", "corpus", "--until", "corpus", *words, timeout=1800)
        assert done.returncode == 0, done.stderr
    for name in ("samples", "corpus"):
        assert made.contents(tmp_path / "ray/data" / name) == made.contents(tmp_path / "native/data" / name)


def test_a_process_that_used_daft_natively_cannot_go_to_ray(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    daft = pytest.importorskip("daft")
    monkeypatch.setattr(cluster, "joined", lambda recipe: nullcontext())
    monkeypatch.setattr(daft, "set_runner_ray", lambda: None)
    daft.from_pydict({"a": [1]}).to_arrow()
    recipe = replace(tiny.tiny_recipe(), data=replace(made.data({"web": "x"}), runner="ray"))
    with pytest.raises(InputError, match="has used Daft natively"), data_cluster.joined(recipe):
        pass


def test_a_full_disk_is_one_line(tmp_path: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "writer_of", full)
    with pytest.raises(InputError, match="no room left on the disk"):
        made.run(made.data({"web": made.write(tmp_path / "a.jsonl", texts)}), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert files.is_full(OSError(28, ""))


def test_a_recipe_of_sources_alone_becomes_shards_and_follows_its_sources(tmp_path: Path, texts: list[str]) -> None:
    made.write(tmp_path / "web/a.jsonl", texts[:30])
    data = made.data({"web": tmp_path / "web/*.jsonl"})
    recipe = made.recipe(data)
    progress = world.Seen()
    pipeline.build(recipe, tmp_path / "out", progress, until="corpus")
    assert len(made.kept(tmp_path / "out")) == 30 and not (tmp_path / "out/tokenizer").exists()
    pipeline.build(recipe, tmp_path / "out", progress)
    shards = Shards(tmp_path / "out/shards", fingerprint(tmp_path / "out/tokenizer"))
    assert len(shards) == 30
    marker = tmp_path / "out/steps/parts.json"
    assert pipeline.current(recipe.data, marker)
    made.write(tmp_path / "web/b.jsonl", texts[30:40])
    assert not pipeline.current(recipe.data, marker)
    pipeline.reopen(recipe.data, tmp_path / "out")
    pipeline.build(recipe, tmp_path / "out", world.Seen())
    assert len(Shards(tmp_path / "out/shards", fingerprint(tmp_path / "out/tokenizer"))) == 40
    counts = json.loads((tmp_path / "out/counts.json").read_text(encoding="utf-8"))
    assert counts["sources"] == {"web": 40} and counts["kinds"]["prose"]["samples"] == 40
