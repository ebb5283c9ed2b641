"""`lapis rl`: which stages it walks, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lapis import cli, config, rl_verb
from lapis import run as road
from lapis.types import InputError
from tests.tiny import tiny_recipe


def test_it_walks_up_to_the_rl_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[config.Recipe, str]] = []

    def walked(recipe: config.Recipe, folder: Path, only: str) -> None:
        seen.append((recipe, only))

    monkeypatch.setattr(road, "run", walked)
    recipe = tiny_recipe()
    assert rl_verb.reinforced(recipe, tmp_path) == tmp_path / "rl"
    assert seen == [(recipe, "rl")]
    with pytest.raises(InputError, match="no stage of RL"):
        rl_verb.reinforced(replace(recipe, stages=recipe.stages[:-1]), tmp_path)


@pytest.mark.parametrize(
    ("word", "line"),
    [("stages.rl.fleet.mode=fast", "mode"), ("stages.rl.fleet.staleness=0", "staleness"), ("ray.port=1", "port")],
)
def test_wrong_words_are_one_line(word: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rl", "pocket", word]) == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1
