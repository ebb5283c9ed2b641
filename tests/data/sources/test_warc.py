"""WARC archives: bodies as they were before they were sent, and members that share a dictionary."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from fastwarc.stream_io import BrotliWriter

from lapis.data.sources import unpack, warc
from lapis.data.sources.forms import FORMS
from tests.data.sources import basics, texts


def brotli(data: bytes) -> bytes:
    out = io.BytesIO()
    writer = BrotliWriter(out)
    writer.write(data)
    writer.close()
    return out.getvalue()


def chunked(data: bytes) -> bytes:
    pieces = [data[at : at + 100] for at in range(0, len(data), 100)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


SENT: dict[str, Callable[[bytes], bytes]] = {
    "Transfer-Encoding: chunked\r\n": chunked,
    "Content-Encoding: gzip\r\n": gzip.compress,
    "Content-Encoding: deflate\r\n": zlib.compress,
    "Content-Encoding: br\r\n": brotli,
    "Content-Encoding: zstd\r\n": zstd.compress,
    "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n": lambda data: chunked(gzip.compress(data)),
}


def read(folder: Path, *records: bytes) -> tuple[list[str], list[str]]:
    """Texts of the pages, and reasons."""
    (folder / "a.warc").write_bytes(b"".join(records))
    samples, broken = basics.read(FORMS["warc"], folder / "a.warc")
    return [one.turns[0].text for one in samples], [one.reason for one in broken]


@pytest.mark.parametrize("sent", SENT)
def test_bodies_are_read_as_they_were_before_they_were_sent(sent: str, tmp_path: Path) -> None:
    body = texts.plain(random.Random(0))
    page = texts.page(body)
    packed, told = texts.warc_record(SENT[sent](page), sent=sent), texts.warc_record(page, sent=sent)
    assert read(tmp_path, packed, told) == ([body, body], [])


@pytest.mark.parametrize("sent", SENT)
def test_a_damaged_body_is_broken_and_costs_itself(sent: str, tmp_path: Path) -> None:
    body = texts.plain(random.Random(0))
    harmed = b"\x00\x07" + SENT[sent](texts.page(body))[2:]
    found, reasons = read(tmp_path, texts.warc_record(harmed, sent=sent), texts.warc_record(texts.page(body)))
    assert (found, reasons) == ([body], ["damaged body"])


@pytest.mark.parametrize("sent", [sent for sent in SENT if "Content" in sent])
def test_a_body_that_is_a_bomb_is_refused(sent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "LONGEST", 1 << 20)
    monkeypatch.setattr(unpack, "PIECE", 1 << 16)
    bomb = texts.warc_record(SENT[sent](b"<html>" + b" " * (3 << 20)), sent=sent)
    assert read(tmp_path, bomb) == ([], ["decompression bomb"])


@pytest.mark.parametrize("pack", [bytes, zstd.compress])
def test_frames_that_share_a_dictionary(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    rng = random.Random(0)
    bodies = [texts.plain(rng) for _ in range(30)]
    records = [texts.warc_record(texts.page(body)) for body in bodies]
    shared = zstd.train_dict([record + rng.randbytes(99) for record in records * 9], 4096)
    told = pack(shared.dict_content)
    frames = [zstd.compress(record, zstd_dict=shared) for record in records]
    harmed = frames[3][:-6]
    opening = b"\x5d\x2a\x4d\x18" + len(told).to_bytes(4, "little") + told
    path = tmp_path / "a.warc.zst"
    path.write_bytes(opening + b"".join([*frames[:9], harmed, *frames[9:]]))
    samples, broken = basics.read(FORMS["warc"], path)
    assert [one.turns[0].text for one in samples] == bodies
    assert [one.reason for one in broken] == ["damaged Zstandard"]
    path.write_bytes(opening[:30])
    assert [one.reason for one in basics.read(FORMS["warc"], path)[1]] == ["truncated Zstandard"]
