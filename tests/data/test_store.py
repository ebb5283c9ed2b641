"""Samples survive Parquet; pictures are written once; damage is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lapis.data import store
from lapis.types import Image, InputError, Sample, Text, Turn
from tests.data import world


def test_every_field_comes_back(tmp_path: Path) -> None:
    rng = random.Random(0)
    turns = (
        Turn("system", (Text("be short"),)),
        Turn("user", (world.picture(rng), Text("你好 \U0001f600"), world.picture(rng, 30, 20))),
        Turn("assistant", (Text(""),), "thought"),
    )
    cells = ({"words": [("a", 1.0, 2.0, 3.0, 4.0)]}, {})
    sample = Sample("screen/qa", "zh", "s", "MIT", turns, False, True, 24, cells, {"answer": "42", "box": [1, 2, 3, 4]})
    plain = world.prose(rng)
    path = tmp_path / "deep" / "a.parquet"
    assert store.write_samples(path, [sample, plain]) == 2
    first, second = store.read_samples(path)
    assert (first.turns, first.think, first.budget, first.meta) == (turns, True, 24, sample.meta)
    assert first.cells == ({"words": [["a", 1.0, 2.0, 3.0, 4.0]]}, {})
    assert (first.kind, first.lang, first.source, first.licence) == ("screen/qa", "zh", "s", "MIT")
    assert second == plain
    assert first.fingerprint == sample.fingerprint
    assert not list(path.parent.glob("*.tmp"))


def test_groups_read_alone_and_no_samples_are_fine(tmp_path: Path) -> None:
    samples = [world.document(f"text {number}") for number in range(store.GROUP + 3)]
    assert store.write_samples(tmp_path / "a.parquet", iter(samples)) == len(samples)
    assert store.groups(tmp_path / "a.parquet") == 2
    assert store.read_group(tmp_path / "a.parquet", 1) == samples[-3:]
    store.write_samples(tmp_path / "b.parquet", [])
    assert list(store.read_samples(tmp_path / "b.parquet")) == []


def test_a_shared_picture_is_stored_once(tmp_path: Path) -> None:
    image = world.picture(random.Random(0), 200, 200)
    asked = [
        Sample("q", "en", "s", "l", (Turn("user", (image, Text(str(number)))), Turn("assistant", (Text("x"),))))
        for number in range(20)
    ]
    store.write_samples(tmp_path / "a.parquet", asked)
    assert (tmp_path / "a.parquet").stat().st_size < 1.5 * len(image.data)
    assert list(store.read_samples(tmp_path / "a.parquet")) == asked


def test_key_ignores_case_space_and_answers_but_not_pictures() -> None:
    rng = random.Random(0)

    def asked(text: str, answer: str, *images: Image) -> Sample:
        return Sample("q", "en", "s", "l", (Turn("user", (*images, Text(text))), Turn("assistant", (Text(answer),))))

    one, other = world.picture(rng), world.picture(rng)
    assert store.key(asked("What  IS\nit?", "1")) == store.key(asked("what is it?", "2"))
    assert store.key(asked("what", "1", one)) != store.key(asked("what", "1", other))
    assert store.key(world.document("A b")) == store.key(world.document("a  B "))
    assert store.key(world.document("a")) != store.key(world.document("b"))


@pytest.mark.parametrize("content", [None, b"", b"PAR1 not really"])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="bad.parquet"):
        list(store.read_samples(path))
