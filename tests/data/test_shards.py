"""Shards come back as written, and damage or a foreign tokenizer is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapis import chat
from lapis.data import shards, tokenise
from lapis.types import InputError
from tests.data import world

TEXTS = [" ".join(world.ENGLISH)] * 5


@pytest.fixture()
def tokenizer(tmp_path: Path) -> chat.Tokenizer:
    return tokenise.train_tokenizer(TEXTS, 400, tmp_path / "tokenizer", world.MODEL.tokens_per_tile)


@pytest.fixture()
def written(tmp_path: Path, tokenizer: chat.Tokenizer) -> list[tokenise.Example]:
    examples = [tokenise.example(sample, tokenizer, world.MODEL) for sample in world.mixed(9)]
    entries = [
        shards.write_shard(tmp_path / "shards", "a", examples[:5]),
        shards.write_shard(tmp_path / "shards", "empty", []),
        shards.write_shard(tmp_path / "shards", "b", examples[5:]),
    ]
    shards.write_index(tmp_path / "shards", entries, shards.fingerprint(tmp_path / "tokenizer"))
    return examples


def test_examples_come_back(tmp_path: Path, written: list[tokenise.Example]) -> None:
    opened = shards.Shards(tmp_path / "shards", shards.fingerprint(tmp_path / "tokenizer"))
    assert len(opened) == len(written)
    assert opened.kinds == ("prose", "screen/ocr")
    assert opened.side == 56
    for number, expected in enumerate(written):
        found = opened.read(number)
        assert (found.kind, found.document) == (expected.kind, expected.document)
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(found.trained, expected.trained)
        assert (found.tiles, found.cells) == (expected.tiles, expected.cells)


def test_a_tile_is_stored_once(tmp_path: Path, tokenizer: chat.Tokenizer) -> None:
    one = tokenise.example(world.mixed(1)[0], tokenizer, world.MODEL)
    shards.write_shard(tmp_path / "once", "a", [one])
    shards.write_shard(tmp_path / "often", "a", [one] * 10)
    sizes = [(tmp_path / name / "a.tiles.arrow").stat().st_size for name in ("once", "often")]
    assert sizes[0] == sizes[1]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [truncate, alter, Path.unlink])
@pytest.mark.parametrize("name", ["a.arrow", "b.tiles.arrow"])
def test_damage_is_named(
    tmp_path: Path, written: list[tokenise.Example], damage: Callable[[Path], None], name: str
) -> None:
    damage(tmp_path / "shards" / name)
    with pytest.raises(InputError, match=name):
        shards.Shards(tmp_path / "shards")


def test_another_tokenizer_is_refused_with_both_fingerprints(tmp_path: Path, written: list[tokenise.Example]) -> None:
    tokenise.train_tokenizer(["x y z"], 320, tmp_path / "other", 4)
    ours, other = (shards.fingerprint(tmp_path / name) for name in ("tokenizer", "other"))
    with pytest.raises(InputError, match=f"{ours}.*{other}"):
        shards.Shards(tmp_path / "shards", other)


def test_no_index_and_a_broken_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shards there"):
        shards.Shards(tmp_path)
    (tmp_path / "index.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not an index"):
        shards.Shards(tmp_path)
