"""Hub sets: a clone, the hub's cache of links, what save_to_disk wrote, and pictures in columns."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set there"):
        FORM.slices(tmp_path)
    with pytest.raises(InputError, match="no name of a hub repository"):
        FORM.slices(Path("a/b/c d"))
