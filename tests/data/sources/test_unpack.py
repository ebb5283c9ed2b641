"""Packed files: all that could be read before damage, bombs refused early, several members, and nothing outside."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from backports import zstd

from lapis.data.sources import lines, unpack
from lapis.data.sources.base import Bad, Slice
from lapis.data.sources.forms import FORMS
from tests.data.sources import basics

PACKERS = {"gzip": gzip.compress, "Zstandard": zstd.compress}


def part(path: Path, data: bytes) -> Slice:
    path.write_bytes(data)
    return Slice(path, root=path.parent)


@pytest.mark.parametrize("how", PACKERS)
def test_members_follow_each_other(how: str, tmp_path: Path) -> None:
    pack = PACKERS[how]
    file = part(tmp_path / "a", pack(b"one") + pack(b"") + pack(b"two"))
    assert unpack.packed(file.path) == how
    assert b"".join(unpack.pieces(file)) == b"onetwo"
    with unpack.opened(file) as opened:
        assert opened.read() == b"onetwo"


@pytest.mark.parametrize("first", [0x50, 0x5D, 0x5E])
def test_frames_that_are_passed_over_hide_no_others(first: int, tmp_path: Path) -> None:
    """`pzstd` writes one before each frame, seekable files end in one."""
    passed = bytes((first,)) + b"\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"size"
    file = part(tmp_path / "a", passed + zstd.compress(b"one") + passed + zstd.compress(b"two") + passed)
    assert unpack.packed(file.path) == "Zstandard"
    assert b"".join(unpack.pieces(file)) == b"onetwo"


@pytest.mark.parametrize("how", PACKERS)
def test_lines_before_the_cut_are_kept(how: str, tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"{number} {'x' * (number % 977)}"}) for number in range(3000)]
    whole = PACKERS[how]("\n".join(rows).encode())
    path = part(tmp_path / "a.jsonl", whole[: len(whole) * 2 // 3]).path
    samples, broken = basics.read(FORMS["jsonl"], path)
    assert [json.dumps({"text": sample.turns[0].text}) for sample in samples] == rows[: len(samples)]
    assert len(samples) > 1000
    assert [one.reason for one in broken] == [f"truncated {how}"]
    assert broken[0].place == f"a.jsonl line {len(samples) + 1}"


@pytest.mark.parametrize("how", PACKERS)
def test_a_bomb_is_refused_in_little_memory(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "FLOOR", 2 << 20)
    path = part(tmp_path / "a.jsonl", PACKERS[how](b'{"text": "kept"}\n' + bytes(64 << 20))).path
    tracemalloc.start()
    samples, broken = basics.read(FORMS["jsonl"], path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [sample.turns[0].text for sample in samples] == ["kept"]
    assert [one.reason for one in broken] == ["decompression bomb"]
    assert peak < 30 << 20


def test_a_line_of_a_hundred_megabytes_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "before"}\n{"text": "')
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"text": "after"}\n')
    tracemalloc.start()
    samples, broken = basics.read(FORMS["jsonl"], path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [sample.turns[0].text for sample in samples] == ["before", "after"]
    assert [one.reason for one in broken] == ["too long"]
    assert peak < 100 << 20


def test_damaged_gzip_ends_the_file_and_says_so(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b'{"text": "x"}\n' * 3))
    whole[-6] ^= 1
    samples, broken = basics.read(FORMS["jsonl"], part(tmp_path / "a.jsonl.gz", bytes(whole)).path)
    assert len(samples) <= 3 and [one.reason for one in broken] == ["damaged gzip"]


def test_links_out_of_the_source_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text('{"text": "secret"}')
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "b.jsonl").write_text('{"text": "own"}')
    (folder / "c.jsonl").symlink_to(folder / "b.jsonl")
    (folder / "d").symlink_to(tmp_path)
    samples, broken = basics.read(FORMS["jsonl"], folder)
    assert [sample.turns[0].text for sample in samples] == ["own", "own"]
    assert [(one.place, one.reason) for one in broken] == [("a.jsonl line 1", "path leads outside")]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_ranges_of_lines_cover_a_file_once(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SIZE", size)
    whole = part(tmp_path / "a", b"\n".join(b"%d" % number + b"x" * (number % 50) for number in range(100)))
    parts = lines.cut(whole)
    assert len(parts) > 1
    found = [row[1] for one in parts for row in lines.read(one) if isinstance(row, tuple)]
    assert found == whole.path.read_bytes().split(b"\n")


def test_a_first_line_that_looks_like_an_array_costs_itself(tmp_path: Path) -> None:
    path = part(tmp_path / "a.jsonl", b'[1, 2]\n{"text": "kept"}\n').path
    samples, broken = basics.read(FORMS["jsonl"], path)
    assert [sample.turns[0].text for sample in samples] == ["kept"]
    assert [(one.place, one.reason) for one in broken] == [("a.jsonl line 1", "wrong type")]


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(Bad, match="no such file"):
        list(unpack.pieces(Slice(tmp_path / "a.jsonl", root=tmp_path)))
