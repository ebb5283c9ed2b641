"""Samples are found where they lie, spread over what fits, and what is not there is told in one line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapis import cli
from lapis.data import store
from lapis.data.shards import fingerprint, write_index, write_shard
from lapis.data.tokenise import example
from lapis.data_pages.read import Filter, look
from lapis.types import InputError
from tests import tiny
from tests.data import world


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data stage of 900 documents in two languages, 40 screens and their shards."""
    folder = tmp_path_factory.mktemp("look")
    rng = random.Random(0)
    prose = [
        world.document(f"number {at} " + "word " * 9, lang="zh" if at % 3 else "en", source=f"book {at % 5}")
        for at in range(900)
    ]
    screens = [world.screen_sample(rng, "screen/ocr" if at % 2 else "screen/ground") for at in range(40)]
    store.write_samples(folder / "samples" / "prose.parquet", prose)
    store.write_samples(folder / "samples" / "screens.parquet", screens)
    tokenizer = tiny.tiny_tokenizer()
    (folder / "tokenizer").mkdir()
    tokenizer.raw.save(str(folder / "tokenizer" / "tokenizer.json"))
    entry = write_shard(
        folder / "shards", "a", (example(one, tokenizer, world.MODEL) for one in [*prose[:30], *screens])
    )
    write_index(folder / "shards", [entry], fingerprint(folder / "tokenizer"))
    return folder


def test_samples_are_spread_over_what_fits(data: Path) -> None:
    numbers = [int(one.pieces[0].text.split()[1]) for one in look(data, Filter("prose"), 9)]
    assert numbers == list(range(0, 900, 100))
    assert {one.kind for one in look(data, Filter("screen"), 7)} == {"screen/ocr", "screen/ground"}
    assert {one.fact("lang") for one in look(data, Filter(lang="zh"), 10)} == {"zh"}
    assert {one.fact("source") for one in look(data / "samples" / "prose.parquet", Filter(source="ook 3"), 10)} == {
        "book 3"
    }
    assert len(look(data, Filter(), 5000)) == 940


def test_shards_are_decoded(data: Path) -> None:
    found = look(data / "shards", Filter("screen/ground"), 3)
    assert [one.kind for one in found] == ["screen/ground"] * 3 and all(one.pictures for one in found)
    assert "What costs 42?" in "".join(piece.text for piece in found[0].pieces)


def test_a_sample_of_shards_tells_where_it_comes_from(tmp_path: Path) -> None:
    """The files of samples beside the shards know it; one of the samples equals a held-out one and is in no shard."""
    rng, tokenizer = random.Random(1), tiny.tiny_tokenizer()
    files = {"a": [world.prose(rng, source=f"book {at}") for at in range(9)], "b": [world.screen_sample(rng)]}
    for name, samples in files.items():
        store.write_samples(tmp_path / "samples" / f"{name}.parquet", samples)
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps/decontaminate.json").write_text(json.dumps({"keys": [store.key(files["a"][4])]}))
    (tmp_path / "tokenizer").mkdir()
    tokenizer.raw.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    made = [one for samples in files.values() for one in samples if one != files["a"][4]]
    entry = write_shard(tmp_path / "shards", "a-0000", (example(one, tokenizer, world.MODEL) for one in made))
    write_index(tmp_path / "shards", [entry], fingerprint(tmp_path / "tokenizer"))
    found = look(tmp_path / "shards", Filter(), 20)
    told = [(one.fact("id"), one.fact("source"), one.fact("licence")) for one in found]
    assert told == [(one.fingerprint, one.source, one.licence) for one in made]
    assert all(int(one.fact("tokens")) > 0 for one in found)
    (tmp_path / "samples" / "b.parquet").unlink()
    assert {one.fact("source") for one in look(tmp_path / "shards", Filter(), 20)} == {""}


def test_bad_input_is_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.table({"text": ["a"], "kind": ["a"], "lang": ["en"], "source": [""]}), tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    for path, wanted, why in (
        (tmp_path / "empty", Filter(), "no shards or samples there"),
        (data / "shards", Filter(lang="en"), "shards know the kinds of their samples only"),
        (data / "shards", Filter(id="0"), "shards know the kinds of their samples only"),
        (data, Filter(id="no id"), "no sample there fits"),
        (data, Filter("math"), "no sample there fits"),
        (tmp_path / "other.parquet", Filter(), "no samples; the column 'id' is missing"),
        (tmp_path / "broken.parquet", Filter(), "not a whole Parquet file"),
    ):
        with pytest.raises(InputError, match=why):
            look(path, wanted, 3)
    with pytest.raises(InputError, match="no tokenizer there"):
        look(data / "shards", Filter(), 3, tmp_path)


def test_the_verb_prints_marks_and_writes_pictures(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.main(["data", "inspect", str(data), "--kind", "screen/ocr", "--count", "2", "--images", str(tmp_path)]) == 0
    )
    said = capsys.readouterr().out
    assert "1 of 2: screen/ocr" in said and "\u27e6<think>\none lamp</think>lamp</s>\u27e7" in said
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0001-1.png", "0002-1.png"]
    assert cli.main(["data", "inspect", str(data), "--count", "0"]) == 2
    assert "--count: 0, expected 1 or more" in capsys.readouterr().err
    assert cli.main(["data", "inspect", "nowhere"]) == 2
    assert "nowhere: no such file, folder or run" in capsys.readouterr().err
    page = tmp_path / "look.html"
    assert cli.main(["data", "inspect", str(data / "shards"), "--page", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n" and page.read_text(encoding="utf-8").count("<article") == 70
