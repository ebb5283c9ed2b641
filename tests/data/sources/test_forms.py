"""Every form of source: nothing good is lost or changed, everything broken is told, and nothing is written."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis.data.sources.forms import FORMS
from lapis.types import Sample
from tests.data.sources import basics, corpora


def payload(sample: Sample, name: str) -> Any:
    """What the corpora tell of a good record."""
    if name == "chat":
        return sample.turns[-1].text
    if name == "screens":
        return sample.kind
    if name == "grounding":
        return pytest.approx(sample.meta["boxes"][0])
    return (sample.images[0].data, sample.turns[-1].text) if sample.images else sample.turns[0].text


def tree(folder: Path) -> dict[str, Any]:
    return {str(path): path.is_file() and path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", corpora.CORPORA)
def test_nothing_is_lost_and_everything_broken_is_told(name: str, seed: int, tmp_path: Path) -> None:
    form, make = corpora.CORPORA[name]
    folder = tmp_path / "in"
    folder.mkdir()
    corpus = make(folder, random.Random(seed))
    before = tree(tmp_path)
    origin = replace(basics.ORIGIN, kind="screen/ground") if name == "screens" else basics.ORIGIN
    samples, broken = basics.read(FORMS[form], corpus.place, origin)
    assert [payload(sample, name) for sample in samples] == corpus.good
    assert sorted((one.place, one.reason) for one in broken) == sorted(corpus.broken)
    assert tree(tmp_path) == before
    assert {(sample.licence, sample.source.split()[0]) for sample in samples} == {("CC0-1.0", "web")}
