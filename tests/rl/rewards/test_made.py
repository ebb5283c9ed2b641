"""Rewards from a recipe's words: what is said is made, and what cannot work is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapis import coherent, config, verify
from lapis.config import Rewards
from lapis.endpoint import Endpoint
from lapis.rl.rewards import made
from lapis.rl.rewards.checker import Checker
from lapis.rl.rewards.judge import Judge
from lapis.types import InputError
from tests.tiny import tiny_recipe

HOW = "stages.rl.rewards."
URL = "http://127.0.0.1:9/v1"


def recipe(*words: str) -> config.Recipe:
    return config.resolve(tiny_recipe(), [HOW + word for word in words])


def test_words_give_rewards_of_every_sort_their_identifiers(tmp_path: Path) -> None:
    (tmp_path / "reward.json").write_text("{}")
    words = [f"graders.kind.url={URL}", "graders.kind.model=big", f"checkers.second.url={URL}", "beside=second"]
    words += ["checkers.second.model=small"]
    words += ["own.odd=tests.rl.rewards.checks:odd", f"trained.safe={tmp_path}", "weights.math=0.5", "failures=0.3"]
    found = recipe(*words)
    coherent.check(found)
    stage = found.stages[-1]
    assert isinstance(stage, config.RL)
    assert stage.rewards == Rewards(
        own={"odd": "tests.rl.rewards.checks:odd"},
        graders={"kind": Endpoint(URL, "big")},
        checkers={"second": Endpoint(URL, "small")},
        trained={"safe": str(tmp_path)},
        beside="second",
        weights={"math": 0.5},
        failures=0.3,
    )
    assert made.names(stage.rewards) == [*verify.VERIFIERS, "odd", "kind", "second", "safe"]


def test_each_sort_is_what_it_says() -> None:
    how = Rewards(graders={"kind": Endpoint(URL, "a")}, checkers={"second": Endpoint(URL, "b")}, beside="second")
    book = made.book_of(how)
    assert isinstance(book.rewards["kind"], Judge) and isinstance(book.rewards["second"], Checker)
    assert book.beside == "second" and {*book.rewards} == {*made.names(how)}
    book.close()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["own.mine=nowhere:check"], "stages.rl.rewards.own.mine: 'nowhere:check' cannot be imported"),
        (["own.mine=tests.tiny:TEXTS"], "stages.rl.rewards.own.mine: tests.tiny:TEXTS is no function"),
        (["own.number=tests.rl.rewards.checks:odd"], "stages.rl.rewards: 'number' names two rewards"),
        (["graders.kind.url=localhost"], "stages.rl.rewards.graders.kind.url: 'localhost', expected http"),
        (["graders.kind.model=big"], "stages.rl.rewards.graders.kind.url: '', expected http"),
        ([f"graders.kind.url={URL}"], "stages.rl.rewards.graders.kind.model: empty"),
        (["trained.safe=nowhere"], "stages.rl.rewards.trained.safe: nowhere: no reward model there"),
        (["beside=second"], "stages.rl.rewards.beside: 'second', expected one of checkers"),
        (["weights.maths=1"], "stages.rl.rewards.weights.maths: no such kind; there are prose"),
    ],
)
def test_what_cannot_work_is_one_line(words: list[str], line: str) -> None:
    with pytest.raises(InputError) as caught:
        coherent.check(recipe(*words))
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["graders.kind.urls=x", "grader.kind.url=x", "seconds=0"])
def test_wrong_words_are_refused(word: str) -> None:
    with pytest.raises(InputError, match="stages.rl.rewards.grader|stages.rl.rewards.seconds"):
        recipe(word)
