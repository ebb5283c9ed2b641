"""How sources are cut into partitions: of about one size, few new ones for a new file, and none taken for another."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from lapis.data.corpus import engine, part, plan
from lapis.types import Silent
from tests.data.corpus import made
from tests.data.sources import basics

SLICE = "slice_mb=0.004"


def folder(place: Path, count: int) -> list[str]:
    """A text a file, in two folders."""
    rng = random.Random(0)
    texts = [made.text(rng) for _ in range(count)]
    for number, text in enumerate(texts):
        path = place / f"{number * 2 // count}" / f"{number:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return texts


def names(place: Path | str, form: str = "text") -> set[str]:
    return {one.name for one in plan.parts(made.data({"web": place}, SLICE, form=form))}


def test_a_folder_is_cut_by_bytes_and_a_new_file_changes_few_partitions(tmp_path: Path) -> None:
    texts = folder(tmp_path, 600)
    parts = plan.parts(made.data({"web": tmp_path}, SLICE, form="text"))
    sizes = [sum(path.stat().st_size for one in part.slices for path in one.files) for part in parts]
    assert sum(sizes) == sum(len(text) for text in texts)
    assert 2000 < sum(sizes) / len(sizes) < 8000 and max(sizes) < 8 * 4000
    before = {one.name for one in parts}
    for name in ("0/0000a.txt", "0/0150a.txt", "1/0450a.txt", "1/9999.txt"):
        (tmp_path / name).write_text(texts[0])
        after = names(tmp_path)
        assert 1 <= len(after - before) <= 3
        before = after


def test_a_folder_that_moved_is_the_same(tmp_path: Path) -> None:
    folder(tmp_path / "a", 40)
    before = names(tmp_path / "a"), names(tmp_path / "a/*/*.txt")
    (tmp_path / "a").rename(tmp_path / "b")
    assert (names(tmp_path / "b"), names(tmp_path / "b/*/*.txt")) == before


def test_an_error_amid_a_folder_leaves_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = folder(tmp_path / "in", 100)
    settings = made.data({"web": tmp_path / "in"}, SLICE, form="text")
    made.run(settings, tmp_path / "whole")
    assert sorted(made.kept(tmp_path / "whole")) == sorted(texts)
    left, make = [5], part.make

    def cut(job: dict[str, object]) -> dict[str, object]:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError
        return make(job)

    monkeypatch.setattr(part, "make", cut)
    with pytest.raises(RuntimeError):
        made.run(settings, tmp_path / "cut")
    monkeypatch.undo()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut/corpus/parts").rglob("*.json")}
    assert len(before) == 5
    made.run(settings, tmp_path / "cut")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert made.contents(tmp_path / "cut") == made.contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["0/0000a.txt", "1/9999.txt"])
def test_a_folder_that_grew_gives_what_a_new_build_gives(tmp_path: Path, name: str) -> None:
    texts = folder(tmp_path / "in", 100)
    settings = made.data({"web": tmp_path / "in"}, SLICE, form="text")
    made.run(settings, tmp_path / "out")
    (tmp_path / "in" / name).write_text(f"First of all {texts[0]}")
    assert engine.make_parts(settings, tmp_path / "out/corpus", Silent())["made"] <= 3
    made.run(settings, tmp_path / "out")
    made.run(settings, tmp_path / "new")
    assert made.contents(tmp_path / "out") == made.contents(tmp_path / "new")
    (tmp_path / "in" / name).unlink()
    made.run(settings, tmp_path / "out")
    assert sorted(made.kept(tmp_path / "out")) == sorted(texts)


def test_a_picture_and_its_caption_stay_together(tmp_path: Path) -> None:
    rng = random.Random(0)
    for number in range(60):
        (tmp_path / f"{number:02}.x.png").write_bytes(basics.png(rng))
        (tmp_path / f"{number:02}.x.txt").write_text(f"Caption {number}")
    before = names(tmp_path, "images")
    samples, broken = basics.read(plan.form("images", ""), tmp_path)
    assert len(samples) == 60 and not broken and len(before) > 5
    (tmp_path / "30.x.txt").write_text("Another caption")
    assert len(names(tmp_path, "images") - before) == 1


@pytest.mark.parametrize(
    ("form", "readers"),
    [
        ("jsonl", {"jsonl", "lines", "arrays", "unpack", "records", "samples", "turns", "boxes", "pictures"}),
        ("webdataset", {"webdataset", "tars", "unpack", "pictures", "turns", "boxes"}),
        ("warc_quality", {"warc_quality", "warc", "html", "unpack"}),
        ("html_quality", {"html_quality", "html", "places"}),
        ("images", {"images", "csv", "jsonl", "parquet", "pictures"}),
        ("screens", {"screens", "tasks", "page"}),
    ],
)
def test_a_partition_is_named_by_all_code_that_reads_it(form: str, readers: set[str]) -> None:
    files = plan.code(form)
    assert readers | {"part", "columns", "quality", "store"} <= {path.stem for path in files}
    assert ("warc" in {path.stem for path in files}) == (form == "warc_quality")


@pytest.mark.parametrize("how", ["copied", "linked", "shown"])
@pytest.mark.parametrize("place", ["in", "in/*/p.jsonl"])
def test_of_two_equal_files_one_stays(tmp_path: Path, how: str, place: str) -> None:
    rng = random.Random(0)
    texts = [made.text(rng) for _ in range(20)]
    first = made.write(tmp_path / "in/x/p.jsonl", texts)
    second = tmp_path / "in/y/p.jsonl"
    second.parent.mkdir()
    {"copied": shutil.copy2, "linked": os.link, "shown": lambda old, new: new.symlink_to(old)}[how](first, second)
    counts = made.run(made.data({"web": tmp_path / place}, "slice_mb=1e-6"), tmp_path / "out")
    assert made.kept(tmp_path / "out") == texts
    exact = next(step for step in counts["steps"] if step["name"] == "exact")
    assert (exact["in"], exact["out"]) == (40, 20)


def test_links_of_one_name_are_two_partitions(tmp_path: Path) -> None:
    first = made.write(tmp_path / "far/x/p.jsonl", [made.text(random.Random(0))])
    second = tmp_path / "far/y/p.jsonl"
    second.parent.mkdir()
    shutil.copy2(first, second)
    (tmp_path / "in").mkdir()
    for name, path in (("a", first), ("b", second)):
        (tmp_path / "in" / f"{name}.jsonl").symlink_to(path)
    assert len({one.name for one in plan.parts(made.data({"web": tmp_path / "in/*.jsonl"}, "slice_mb=1e-6"))}) == 2
