"""Blocks of lines read by Arrow against the same read one by one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from lapis.data.corpus import columns, quick
from lapis.data.corpus.rows import finish
from lapis.data.sources import jsonl, lines
from lapis.data.sources.base import Broken, Origin
from lapis.data.sources.forms import FORMS

PLAIN = Origin("web", "prose", "CC0-1.0", "en")
GOOD = json.dumps({"text": 'A “text” with "quotes",\n\ttabs and \\ strokes.', "id": 3, "url": "https://x/ü?a=1"})
ODD = (
    '{"text": "a", "text": "b"}', '{"text": "a", "image": null}', '{"text": "a", "image": "b.png"}',
    '{"text": "a", "\\u0069mage": "b.png"}', '{"text": "\\ud800"}', '{"text": "\\udc00 a"}', '{"text": "a\\u0000"}',
    '{"text": "a", "x": NaN}', '{"text": "a", "x": [-Infinity ]}', '{"text": "a NaN, or Inf"}',
    '{"text": "a", "x": 01}', "", "  ", '{"text": "a"} ', '{"text": "a"}\r',
    '{"text": "a"} {"text": "b"}', '{"text":', '"a"}', '{"text": 5}', '{"text": null, "content": "c"}',
    '{"text": "", "raw_content": "c"}', '{"text": " \\u3000\\n"}', '{"text": "\\u0085"}', '{"id": 1}', "{}", "[]",
    '{"text": "a", "license": " MIT "}', '{"text": "a", "license": ["MIT", "BSD"]}', '{"text": "a", "licence": ""}',
    '{"text": "a", "lang": "zh-Hans"}', '{"text": "a", "language": "German"}', '{"text": "a", "lang": 7}',
    '{"text": "a", "url": "with \\"quotes\\""}', '{"text": "a", "url": " "}', '{"text": "a", "url": null}',
    '\ufeff{"text": "a"}', '{"text": "a", "meta": {"text": "b", "deep": [[[{"c": []}]]]}}', '{"text": "\x01"}',
    '{"text": "a", "messages": []}', '{"text": "中文，句子。", "title": "é"}', '{"text": "a"}{', '[{"text": "a"}',
)  # fmt: skip


def rows(found: Iterable[object]) -> tuple[list[dict[str, object]], list[Broken]]:
    batch, broken = columns.Batch("prose"), list[Broken]()
    for item in found:
        if isinstance(item, Broken):
            broken.append(item)
        else:
            batch.add(item)
    return finish(batch.take()).to_pylist(), broken


def both(path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows and the same broken records, by blocks and one by one."""
    for part in jsonl.slices(path):
        fast = rows(columns.read(FORMS["jsonl"], part, origin))
        with monkeypatch.context() as patch:
            patch.setattr(quick, "read", lambda *words: None)
            assert fast == rows(columns.read(FORMS["jsonl"], part, origin))


@pytest.mark.parametrize("odd", ODD)
def test_whatever_a_line_is_its_block_gives_the_same_rows(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes("\n".join([GOOD, odd, GOOD]).encode("utf-8", "surrogatepass"))
    for origin in (PLAIN, Origin("web", "prose", ""), Origin("web", "prose", "MIT", "", (("text", "content"),))):
        both(path, origin, monkeypatch)


def test_a_line_that_is_not_utf_8_is_told_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(f'{GOOD}\n{{"text": "a", "x": "'.encode() + b'\xff"}\n' + GOOD.encode() + b"\n")
    both(path, PLAIN, monkeypatch)


def test_slices_and_blocks_keep_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(rng.choice([GOOD, GOOD, GOOD, *ODD[:3]]) + "\n" for _ in range(400)), encoding="utf-8")
    monkeypatch.setattr(lines, "SIZE", 9000)
    monkeypatch.setattr("lapis.data.sources.unpack.PIECE", 1000)
    both(path, PLAIN, monkeypatch)


def test_plain_lines_are_read_at_once() -> None:
    block = lines.Block((GOOD + "\n" + GOOD).encode(), 100, 7)
    part = lines.Slice(Path("in/a.jsonl"), root=Path("in"))
    found = quick.read(block, part, PLAIN)
    assert found is not None and found["source"].to_pylist() == ["web a.jsonl line 8", "web a.jsonl line 9"]
    assert found["text"].to_pylist() == 2 * [json.loads(GOOD)["text"]]
    assert found["meta"].to_pylist() == 2 * ['{"url":"https://x/ü?a=1"}']
