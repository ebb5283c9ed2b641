"""Big files are cut into slices that together give what the whole gives, and a cut one is read without the others."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from lapis.data.sources import lines, parquet, places, tars, webdataset
from lapis.data.sources.base import Broken
from lapis.data.sources.forms import FORMS
from lapis.types import Sample
from tests.data.sources import basics, corpora

CUT = ("jsonl", "parquet", "text", "images", "captions.jsonl", "webdataset", "chat", "screens")


@pytest.mark.parametrize("name", CUT)
def test_slices_give_what_the_whole_gives(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form, make = corpora.CORPORA[name]
    place = make(tmp_path, random.Random(5)).place
    whole, broken = basics.read(FORMS[form], place)
    count = len(FORMS[form].slices(place))
    for module, size in ((lines, "SIZE"), (parquet, "SIZE"), (webdataset, "MEMBERS"), (places, "BUNDLE")):
        monkeypatch.setattr(module, size, 5 if size != "SIZE" else 700)
    parts = FORMS[form].slices(place)
    assert len(parts) > count
    found, told = basics.read(FORMS[form], place)
    assert [sample.fingerprint for sample in found] == [sample.fingerprint for sample in whole]
    assert [one.reason for one in told] == [one.reason for one in broken]
    alone = [list(FORMS[form].read(part, basics.ORIGIN)) for part in reversed(parts)]
    every = [one for part in reversed(alone) for one in part]
    assert [one for one in every if isinstance(one, Sample)] == found
    assert [one for one in every if isinstance(one, Broken)] == told
    assert sum(bool(part) for part in alone) > count


def test_the_headers_of_a_tar_are_walked_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = corpora.CORPORA["webdataset"][1](tmp_path, random.Random(5)).place
    walks, members = [0], tars.members

    def counted(*words: Any, **named: Any) -> Any:
        walks[0] += 1
        return members(*words, **named)

    monkeypatch.setattr(tars, "members", counted)
    monkeypatch.setattr(webdataset, "MEMBERS", 5)
    first = FORMS["webdataset"].slices(place)
    assert FORMS["webdataset"].slices(place) == first and len(first) > 1 and walks == [1]
    place.write_bytes(place.read_bytes()[: first[2].first])
    assert len(FORMS["webdataset"].slices(place)) == 2 and walks == [2]


def test_a_parquet_that_cannot_be_opened_is_one_slice(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    samples, broken = basics.read(FORMS["parquet"], tmp_path)
    assert not samples and [(one.place, one.reason) for one in broken] == [("a.parquet", "damaged Parquet")]
