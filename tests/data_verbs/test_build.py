"""What `lapis data build` says of its sources."""

from __future__ import annotations

import json
from pathlib import Path

from lapis.data_verbs import build


def test_a_line_a_source(tmp_path: Path) -> None:
    def step(name: str, source: str, kind: str, first: int, last: int, **dropped: int) -> dict[str, object]:
        return {"name": name, "source": source, "kind": kind, "in": first, "out": last, "dropped": dropped}

    steps = [
        step("read", "web", "prose", 1500, 1400, damaged=100),
        step("read", "web", "caption", 10, 10),
        step("near", "web", "prose", 1400, 1000, copy=399, damaged=1),
        step("near", "web", "caption", 10, 9, copy=1),
        step("read", "own", "prose", 3, 3),
    ]
    (tmp_path / "counts.json").write_text(json.dumps({"steps": steps}))
    assert list(build.told(tmp_path / "counts.json")) == [
        "web: 1,009 of 1,510 kept (copy 400, damaged 101)",
        "own: 3 of 3 kept",
    ]
    assert not list(build.told(tmp_path / "none.json"))


def test_a_line_on_key_data_where_it_is_resampled(tmp_path: Path) -> None:
    kinds = {"prose": {"rows": 100, "taken_rows": 80}, "math": {"rows": 10, "taken_rows": 25}}
    path = tmp_path / "select.json"
    path.write_text(json.dumps({"kinds": kinds, "scale": 1.2}))
    assert list(build.taken(path)) == ["key data, times that a sample is taken: prose 0.80, math 2.50"]
    path.write_text(json.dumps({"kinds": kinds, "scale": 0.0}))
    assert not list(build.taken(path)) and not list(build.taken(tmp_path / "none.json"))
