"""Generators of the user's own: found by name, written by split, and told in one line where they are none."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from lapis import coherent, config
from lapis.data import handlers, store
from lapis.data.gather import Stage
from lapis.types import InputError
from tests.data.world import Seen
from tests.tiny import tiny_recipe

OWN = '''
from lapis.types import Sample, Text, Turn

def sums(split, seed):
    """Training adds up to nine, held-out more; fresh questions are partly training's."""
    for number in {"train": range(4), "held": range(9, 12), "fresh": range(2, 6)}[split]:
        turns = (Turn("user", (Text(f"{number} + 1?"),)), Turn("assistant", (Text(str(number + 1)),)))
        yield Sample("sums/one", "en", f"sums {seed}", "CC0-1.0", turns, meta={"verifier": "number", "answer": number})

def others(split, seed):
    yield next(sums(split, seed)).__class__("math/sum", "en", "s", "CC0-1.0", ())

def words(split, seed):
    yield "a word"

NUMBER = 3
'''


NUMBERS = itertools.count()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that can be imported; each test has one of its own."""
    name = f"own_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def recipe(**names: str) -> config.Recipe:
    base = tiny_recipe()
    return replace(base, data=replace(base.data, handlers=names))


def test_each_split_has_its_file_and_fresh_ones_were_not_read(own: str, tmp_path: Path) -> None:
    stage = Stage(recipe(sums=f"{own}:sums"), tmp_path / "data", Seen(), tmp_path)
    assert handlers.make_own(stage) == {"samples": {"sums": 4}}
    assert store.read_column(stage.samples / "own-sums.parquet", "source") == ["sums 0"] * 4
    held, fresh = stage.held / "sums.parquet", stage.fresh / "own-sums.parquet"
    assert [one.turns[0].text for one in store.read_samples(held)] == ["9 + 1?", "10 + 1?", "11 + 1?"]
    assert [one.turns[0].text for one in store.read_samples(fresh)] == ["4 + 1?", "5 + 1?"]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("others", "data.handlers.sums: sample 0 is of kind 'math/sum', expected kind 'sums' or below"),
        ("words", "data.handlers.sums: item 0 is no lapis.types.Sample"),
    ],
)
def test_what_is_no_sample_of_the_kind_is_one_line(own: str, tmp_path: Path, function: str, said: str) -> None:
    stage = Stage(recipe(sums=f"{own}:{function}"), tmp_path / "data", Seen(), tmp_path)
    with pytest.raises(InputError) as caught:
        handlers.make_own(stage)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("sums", "a word", "'a word', expected package.module:name"),
        ("sums", "no_such_module:sums", "'no_such_module:sums' cannot be imported"),
        ("sums", "OWN:nothing", "has no nothing"),
        ("sums", "OWN:NUMBER", "is no function"),
        ("math", "OWN:sums", "expected a name of its own"),
        ("needle", "OWN:sums", "expected a name of its own"),
        ("my/sums", "OWN:sums", "expected a name of its own"),
    ],
)
def test_a_name_that_is_none_is_told_before_any_work(own: str, kind: str, name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        coherent.check(recipe(**{kind: name.replace("OWN", own)}))
    assert str(caught.value).startswith(f"data.handlers.{kind}: ") and said in str(caught.value)


def test_a_mixture_may_name_it(own: str) -> None:
    words = [f"data.handlers.sums={own}:sums", "stages.sft.mixture.sums=1"]
    coherent.check(config.resolve(tiny_recipe(), words))
    with pytest.raises(InputError, match=r"stages\.sft\.mixture\.sums: no such kind"):
        coherent.check(config.resolve(tiny_recipe(), words[1:]))
