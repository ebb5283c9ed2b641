"""`lapis rl`: which stages it walks, how they are begun, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import cli, config, rl_verb
from lapis import run as road
from lapis.recipes import desk, pocket
from lapis.rl.fleet import cluster
from lapis.types import InputError
from tests.tiny import tiny_recipe


def test_it_walks_up_to_the_rl_stage_as_the_recipe_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[config.Recipe, str]] = []

    def walked(recipe: config.Recipe, folder: Path, only: str) -> None:
        seen.append((recipe, only))

    monkeypatch.setattr(road, "run", walked)
    recipe = tiny_recipe()
    assert rl_verb.reinforced(recipe, tmp_path) == tmp_path / "rl"
    assert seen == [(recipe, "rl")]
    with pytest.raises(InputError, match="no stage of RL"):
        rl_verb.reinforced(replace(recipe, stages=recipe.stages[:-1]), tmp_path)


@pytest.mark.parametrize("recipe", [pocket.recipe(), pocket.smoke(), desk.recipe()], ids=["pocket", "smoke", "desk"])
def test_recipes_are_one_step_asynchronous_with_a_thread_for_each_process(recipe: config.Recipe) -> None:
    (fleet,) = (entry.fleet for entry in recipe.stages if isinstance(entry, config.RL))
    assert (fleet.mode, fleet.staleness, fleet.ranks, fleet.engines, fleet.threads) == ("async", 1, 1, 1, 1)


@pytest.mark.parametrize("verb", ["rl", "run"])
def test_without_ray_one_line_says_how_to_get_it(
    verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = cluster.importlib.util.find_spec

    def hidden(name: str, *rest: Any) -> Any:
        return None if name == "ray" else found(name, *rest)

    monkeypatch.setattr(cluster.importlib.util, "find_spec", hidden)
    assert cli.main([verb, "pocket", "--smoke", f"out={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert "pip install ray[default]==" in said and "fleet.mode=inline" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("stages.rl.fleet.mode=fast", "mode"),
        ("stages.rl.fleet.staleness=0", "staleness"),
        ('stages.rl.fleet.outside=["here:8000"]', "outside: here:8000, expected http://"),
        ("ray.port=1", "port"),
    ],
)
def test_wrong_words_are_one_line(word: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rl", "pocket", word]) == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1
