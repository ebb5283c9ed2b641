"""What a folder's files say of themselves: pages their encoding, pictures their captions, tables their names."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lapis import config
from lapis.data.corpus import plan
from lapis.data.sources import html
from lapis.data.sources.base import Broken
from lapis.data.sources.forms import FORMS
from tests.data.sources import basics


@pytest.mark.parametrize("name", ["utf-16", "unicode", "utf-16be"])
def test_a_page_that_names_utf_16_in_ascii_is_utf_8(name: str) -> None:
    source = f'<html><meta charset="{name}"><p>Plain English, 中文 and café.</p></html>'
    for more in ("", " "):
        assert html.page((source + more).encode()) == source + more
    assert html.page(source.encode("utf-16")) == source


@pytest.mark.parametrize("name", ["a.txt", "a.TXT"])
def test_a_picture_is_read_alone_as_in_its_folder(name: str, tmp_path: Path) -> None:
    """A pattern (`shots/*`) names every file by itself."""
    (tmp_path / "a.png").write_bytes(basics.png(random.Random(0)))
    (tmp_path / "b.png").write_bytes(basics.png(random.Random(1)))
    for caption in (name, "c.txt"):
        (tmp_path / caption).write_text("A red lamp")
    whole = basics.read(FORMS["images"], tmp_path)
    alone = [basics.read(FORMS["images"], path) for path in sorted(tmp_path.iterdir())]
    assert [one.turns[-1].text for one in whole[0]] == ["A red lamp"]
    assert [one for samples, _ in alone for one in samples] == whole[0]
    assert [one for _, broken in alone for one in broken] == whole[1]
    assert whole[1] == [Broken("b.png", "no caption"), Broken("c.txt", "no picture")]


def test_a_table_is_one_in_large_letters_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(basics.png(random.Random(0)))
    (tmp_path / "METADATA.CSV").write_text("file_name,text\na.png,A lamp\n")
    samples, broken = basics.read(FORMS["images"], tmp_path)
    assert [one.turns[-1].text for one in samples] == ["A lamp"] and not broken


@pytest.mark.parametrize("pattern", ["", "**", "*", "**/*", "**/*.jsonl"])
def test_a_pattern_reads_no_file_twice(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "in" / "er").mkdir(parents=True)
    for name in ("a.jsonl", "in/b.jsonl", "in/er/c.jsonl"):
        (tmp_path / name).write_text('{"text": "x"}')
    found = plan.slices("web", config.Source("jsonl", str(tmp_path / pattern)))
    assert [part.path.name for part in found] == ["a.jsonl", "b.jsonl", "c.jsonl"]


def test_rows_without_names_are_all_told(tmp_path: Path) -> None:
    """The first of them is not taken for the names."""
    (tmp_path / "a.csv").write_bytes("text,né\n".encode("latin-1") + b"one,1\ntwo,2\n")
    samples, broken = basics.read(FORMS["csv"], tmp_path)
    assert not samples
    assert [one.reason for one in broken] == ["not UTF-8", "no names", "no names"]
