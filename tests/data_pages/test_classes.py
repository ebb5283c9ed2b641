"""Classes and key data on the page, counted by hand."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

from lapis.data import store
from lapis.data_pages import classes
from lapis.data_pages.counts import Place
from lapis.types import InputError
from tests.data import world


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Four documents and a screen with subjects; a file of before there were any."""
    rng = random.Random(0)
    rows = store.to_table([*(world.document(f"text {at}") for at in range(4)), world.screen_sample(rng)])
    columns = {
        "subject": pa.array(["food", "food", "art", "food", "other"]),
        "modality": pa.array(["text"] * 4 + ["screen"]),
        "difficulty": pa.array([0.05, 0.05, 0.95, None, None], pa.float32()),
        "gain": pa.array([None, None, None, None, 0.25], pa.float32()),
        "masked": pa.array([["mail", "ip"], [], None, ["mail"], ["phone"]], pa.list_(pa.string())),
    }
    for name, values in columns.items():
        rows = rows.append_column(name, values)
    path = tmp_path / "samples/web-0000.parquet"
    path.parent.mkdir()
    with store.writer_of(path, rows.schema) as writer:
        writer.write_table(rows)
    store.write_samples(tmp_path / "samples/prose.parquet", [world.document("plain")])
    (tmp_path / "corpus").mkdir()
    return Place(tmp_path, tmp_path / "corpus")


def test_samples_are_counted_by_kind(place: Place) -> None:
    found = classes.classes(place)
    assert {*found} == {"prose", "screen/ocr"}
    assert found["prose"].subjects == {"food": 3, "art": 1} and found["screen/ocr"].modalities == {"screen": 1}
    assert found["prose"].known["difficulty"] == pytest.approx([0.05, 0.05, 0.95])
    assert not found["prose"].known["quality"] and not found["screen/ocr"].known["difficulty"]
    assert +found["prose"].masked == {"mail": 2, "ip": 1} and +found["screen/ocr"].masked == {"phone": 1}
    page = classes.shown(place)
    assert ">mail 2, ip 1<" in page and ">phone 1<" in page and ">0.25 / 0.25 / 0.25<" in page
    assert "food 3, art 1" in page and "0.0 to 0.1: 2" in page and "0.9 to 1.0: 1" in page
    assert page.count("unknown") == 3


def test_key_data_has_its_shares_before_and_after(place: Place) -> None:
    one = {"rows": 30, "bytes": 300, "taken_rows": 20, "taken_bytes": 200, "difficulty": 0.25, "weight": 0.7}
    other = {"rows": 10, "bytes": 100, "taken_rows": 20, "taken_bytes": 200, "difficulty": None, "weight": 1.9}
    told = {"kinds": {"prose": one, "rare": other}, "scale": 1.1, "rules": {}}
    (place.corpus / "select.json").write_text(json.dumps(told), encoding="utf-8")
    page = classes.shown(place)
    assert all(cell in page for cell in (">75.0%<", ">25.0%<", ">0.70<", ">1.90<", ">0.25<")) and ">50.0%<" in page
    (place.corpus / "select.json").write_text('{"kinds": {"prose": {"rows": 1}}}', encoding="utf-8")
    with pytest.raises(InputError, match=r"select.json: expected kinds with rows"):
        classes.shown(place)
