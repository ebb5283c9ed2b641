"""What a person called wrong does not come back as training data, by whichever of the two ways it was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lapis import config
from lapis.data import store
from lapis.data.check import checks
from lapis.data.sources.forms import FORMS
from lapis.types import InputError, Sample
from tests.data.corpus import made
from tests.data.sources import basics
from tests.data.steps.rows import talk

TALKS = [talk(f"What is {word}?", f"It is {word} itself.") for word in ("one", "two", "three", "four")]


def by_hand(place: Path, sample: Sample, verdict: str) -> None:
    """As `lapis data check` keeps it."""
    checks.keep(place, sample.fingerprint, checks.Check(verdict))


def by_tick(place: Path, sample: Sample, verdict: str) -> None:
    """As `lapis data screens --checked` keeps it: of a sample's questions."""
    said = {"id": f"{sample.fingerprint[:16]}/0", "right": verdict != "wrong"}
    with (place.parent / "checks.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(said) + "\n")


def settings(place: Path) -> config.Data:
    source = config.Source("made", str(place), kind="chat", lang="en")
    return config.Data(sources={"own": source}, made=False, workers=1)


@pytest.mark.parametrize(
    ("name", "say"),
    [("sft.parquet", by_hand), ("samples-000000.parquet", by_hand), ("samples-000000.parquet", by_tick)],
)
def test_what_is_called_wrong_after_a_build_leaves_the_next_one(
    name: str, say: Callable[[Path, Sample, str], None], tmp_path: Path
) -> None:
    place, out = tmp_path / "sets" / name, tmp_path / "out"
    store.write_samples(place, TALKS)
    made.run(settings(place), out)
    assert len(made.kept(out)) == 4
    for sample, verdict in zip(TALKS, ("right", "wrong", "wrong", "unsure"), strict=True):
        say(place, sample, verdict)
    say(place, TALKS[1], "right")
    counts = made.run(settings(place), out)
    assert [one.fingerprint for one in read(out)] == [TALKS[at].fingerprint for at in (0, 1, 3)]
    assert counts["steps"][0]["dropped"] == {checks.WRONG: 1}
    told = json.loads((out / "corpus/broken.jsonl").read_text(encoding="utf-8"))
    assert told == {"source": "own", "place": f"{name} row 3", "reason": checks.WRONG}


def read(out: Path) -> list[Sample]:
    return [one for path in sorted((out / "samples").glob("*.parquet")) for one in store.read_samples(path)]


def test_a_tick_is_about_its_own_folder_alone(tmp_path: Path) -> None:
    form = FORMS["made"]
    for folder in ("a", "b"):
        store.write_samples(tmp_path / folder / "samples-000000.parquet", TALKS)
    by_tick(tmp_path / "a" / "samples-000000.parquet", TALKS[0], "wrong")
    kept = {folder: len(basics.read(form, tmp_path / folder)[0]) for folder in ("a", "b")}
    assert kept == {"a": 3, "b": 4}


@pytest.mark.parametrize("name", ["samples-000000.parquet.checks.jsonl", "checks.jsonl"])
def test_checks_that_are_none_are_one_line(name: str, tmp_path: Path) -> None:
    place = tmp_path / "samples-000000.parquet"
    store.write_samples(place, TALKS)
    (tmp_path / name).write_text('{"no": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match=f"{name}: holds something else than"):
        made.run(settings(place), tmp_path / "out")
