"""The guides are true: CONTRIBUTING's example of a form runs, and docs/sources.md names every form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lapis.data.sources.forms import FORMS
from tests.conftest import ROOT
from tests.data.sources import basics

SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nHello there.\n\n2\n00:00:02,000 --> 00:00:04,500\n你好。\n"


def test_the_example_of_a_form_runs(tmp_path: Path) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition("## How to add a source")[2].partition("\n## ")[0]
    found = re.search(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found and len(found[1].splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(compile(found[1], "CONTRIBUTING.md", "exec"), names)
    (tmp_path / "a.srt").write_text(SUBTITLES, encoding="utf-8")
    (tmp_path / "b.srt").write_bytes(b"caf\xe9")
    samples, broken = basics.read(names["FORM"], tmp_path)
    assert [(one.turns[0].text, one.source) for one in samples] == [("Hello there.\n\n你好。\n", "web a.srt")]
    assert [(one.place, one.reason) for one in broken] == [("b.srt", "not UTF-8")]


def test_the_table_names_every_form() -> None:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(FORMS)


def test_a_form_is_named_like_its_file() -> None:
    folder = ROOT / "lapis" / "data" / "sources"
    named = {path.stem for path in folder.glob("*.py") if re.search(r"^FORM =", path.read_text(encoding="utf-8"), re.M)}
    assert named == set(FORMS) == {form.name for form in FORMS.values()}


def test_every_reason_is_told() -> None:
    """What readers say of a broken record stands in the guide, but for the rare ones."""
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    rare = {"wrong", "unknown part", "no turns", "picture in an answer", "more pictures than marks", "not one picture"}
    rare |= {"no elements", "bad HTML", "not in its encoding", "bad screen", "cannot be read", "no file in a tar"}
    rare |= {"truncated WARC", "picture of another format than its first bytes"}
    folder = ROOT / "lapis" / "data" / "sources"
    told = {reason for path in folder.glob("*.py") for reason in re.findall(r'Bad\("([^"]+)"', path.read_text("utf-8"))}
    assert sorted(reason for reason in told - rare if f"`{reason}`" not in page) == []
