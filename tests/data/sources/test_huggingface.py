"""Hub sets: a clone, the hub's cache of links, what save_to_disk wrote, and pictures in columns."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.utils import filter_repo_objects

from lapis import hub
from lapis.data.sources.forms import FORMS
from lapis.types import InputError
from tests.data.sources import basics

FORM = FORMS["huggingface"]


def cached(folder: Path, data: bytes, name: str) -> Path:
    """A repository in the hub's cache: a snapshot of links to blobs."""
    blob, snapshot = folder / "datasets--a--b" / "blobs" / "0f", folder / "datasets--a--b" / "snapshots" / "1c"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(data)
    (snapshot / "data").mkdir(parents=True)
    (snapshot / "data" / name).symlink_to("../../../blobs/0f")
    return snapshot


def test_a_hub_id_is_fetched_without_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = cached(tmp_path, b'{"text": "x"}\n', "train.jsonl")
    asked: dict[str, Any] = {}

    def fetch(name: str, **how: Any) -> str:
        asked.update(how, name=name)
        return str(snapshot)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    samples, broken = basics.read(FORM, Path("a/b"))
    assert [sample.turns[0].text for sample in samples] == ["x"] and not broken
    assert asked["name"] == "a/b" and asked["repo_type"] == "dataset"
    assert not any(pattern.endswith((".py", "*")) for pattern in asked["allow_patterns"])
    assert asked["revision"] is None


SET = (
    "README.md", "setup.py", "dataset_infos.json", "en/c4-train.0.json.gz", "en/c4-validation.0.json.gz",
    "sample/10BT/0.parquet", "sample/10BT/test-0.parquet", "sample/all/1.parquet", "contest/latest.jsonl",
)  # fmt: skip


@pytest.mark.parametrize(
    ("place", "revision", "read"),
    [
        ("a/b", None, ["sample/10BT/0.parquet", "sample/all/1.parquet"]),
        ("a/b@v1.0/sample/10BT", "v1.0", ["sample/10BT/0.parquet"]),
        ("a/b/sample/10BT/test-*.parquet", None, ["sample/10BT/test-0.parquet"]),
        ("a/b/en", None, ["en/c4-train.0.json.gz"]),
        ("a/b@main/en/c4-validation.*.json.gz", "main", ["en/c4-validation.0.json.gz"]),
        ("a/b/contest/", None, ["contest/latest.jsonl"]),
        ("a/b@refs/convert/parquet/sample/10BT", "refs/convert/parquet", ["sample/10BT/0.parquet"]),
        ("a/b@refs%2Fpr%2F1/sample/all", "refs/pr/1", ["sample/all/1.parquet"]),
    ],
)
def test_a_place_says_what_of_a_repository_is_fetched_and_read(
    place: str, revision: str | None, read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SET:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"text": name}).encode()
        (tmp_path / name).write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
        if name.endswith(".parquet"):
            pq.write_table(pa.table({"text": [name]}), tmp_path / name)
    asked: dict[str, Any] = {}

    def fetch(name: str, **how: Any) -> str:
        asked.update(how, name=name)
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    hub._snapshot.cache_clear()
    samples, broken = basics.read(FORM, Path(place))
    assert [sample.turns[0].text for sample in samples] == read and not broken
    assert (asked["name"], asked["revision"]) == ("a/b", revision)
    fetched = list(filter_repo_objects(SET, allow_patterns=asked["allow_patterns"]))
    assert {*read} <= {*fetched} and not {"README.md", "setup.py"} & {*fetched}
    below = place.replace(f"@{revision}", "")
    inner = below.split("/", 2)[2] if below.count("/") > 1 else ""
    assert all(name.startswith(inner.partition("*")[0]) for name in fetched)


def test_splits_for_tests_are_not_trained_on_unless_they_are_named(tmp_path: Path) -> None:
    for name in ("train", "test", "dev-clean", "latest", "val_0"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"text": [name]}), tmp_path / name / "0.parquet")

    def read(place: Path) -> list[str]:
        return [sample.turns[0].text for sample in basics.read(FORM, place)[0]]

    assert read(tmp_path) == ["latest", "train"]
    assert read(tmp_path / "test") == ["test"] and read(tmp_path / "val_0/0.parquet") == ["val_0"]
    for name in ("train", "latest"):
        (tmp_path / name / "0.parquet").unlink()
    with pytest.raises(InputError, match="only files of test and validation splits"):
        FORM.slices(tmp_path)


def test_pictures_in_columns(tmp_path: Path) -> None:
    first, second = (basics.png(random.Random(seed)) for seed in (1, 2))
    (tmp_path / "b.png").write_bytes(second)
    rows = [
        {"image": {"bytes": first, "path": "a.png"}, "text": "one", "extra": 1},
        {"image": {"bytes": None, "path": "b.png"}, "text": "two", "extra": 2},
        {"image": {"bytes": b"no", "path": None}, "text": "three", "extra": 3},
        {"image": None, "text": "four", "extra": 4},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    samples, broken = basics.read(FORM, tmp_path)
    assert [one.images[0].data for one in samples[:2]] == [first, second]
    assert [one.turns[-1].text for one in samples] == ["one", "two", "four"]
    assert [(one.place, one.reason) for one in broken] == [("a.parquet row 3", "no picture")]


def test_an_arrow_file_and_its_state(tmp_path: Path) -> None:
    table = pa.table({"text": ["x", "y"], "license": ["MIT", None]})
    with pa.ipc.new_file(tmp_path / "data-00000-of-00001.arrow", table.schema) as out:
        out.write_table(table)
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "dataset_info.json").write_text('{"text": "no record"}')
    samples, broken = basics.read(FORM, tmp_path)
    assert [(one.turns[0].text, one.licence) for one in samples] == [("x", "MIT"), ("y", "CC0-1.0")] and not broken


def test_what_datasets_keeps_beside_a_set_is_not_read_again(tmp_path: Path) -> None:
    table = pa.table({"text": ["x"]})
    for name in ("data-00000-of-00001.arrow", "cache-0f1e2d3c.arrow"):
        with pa.ipc.new_stream(tmp_path / name, table.schema) as out:
            out.write_table(table)
    samples, broken = basics.read(FORM, tmp_path)
    assert [one.turns[0].text for one in samples] == ["x"] and not broken


def test_two_columns_of_one_name_end_nothing(tmp_path: Path) -> None:
    """The last counts, as in the other tables."""
    table = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["text", "text"])
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as out:
        out.write_table(table)
    samples, broken = basics.read(FORM, tmp_path)
    assert [one.turns[0].text for one in samples] == ["y"] and not broken


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set there"):
        FORM.slices(tmp_path)
    with pytest.raises(InputError, match="no name of a hub repository"):
        FORM.slices(Path("a b/c"))
    with pytest.raises(InputError, match="/no/such: no such folder, and no name of a hub repository"):
        FORM.slices(Path("/no/such"))
