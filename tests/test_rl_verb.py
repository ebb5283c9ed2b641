"""`lapis rl`: which stages it walks, how they are begun, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import cli, config, rl_verb
from lapis import run as road
from lapis.rl.fleet import cluster
from lapis.rl_fleet import Fleet
from lapis.types import InputError
from tests.tiny import tiny_recipe


def test_it_walks_up_to_the_rl_stage_which_is_asynchronous_unless_it_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[config.Recipe, str]] = []

    def walked(recipe: config.Recipe, folder: Path, only: str) -> None:
        seen.append((recipe, only))

    monkeypatch.setattr(road, "run", walked)
    recipe = tiny_recipe()
    assert rl_verb.reinforced(recipe, tmp_path) == tmp_path / "rl"
    *others, stage = recipe.stages
    rl_verb.reinforced(replace(recipe, stages=(*others, replace(stage, fleet=Fleet("sync")))), tmp_path)
    assert [(one.stages[-1].fleet.mode, only) for one, only in seen] == [("async", "rl"), ("sync", "rl")]
    with pytest.raises(InputError, match="no stage of RL"):
        rl_verb.reinforced(replace(recipe, stages=tuple(others)), tmp_path)


def test_without_ray_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = cluster.importlib.util.find_spec

    def hidden(name: str, *rest: Any) -> Any:
        return None if name == "ray" else found(name, *rest)

    monkeypatch.setattr(cluster.importlib.util, "find_spec", hidden)
    assert cli.main(["rl", "pocket", "--smoke", f"out={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert "pip install ray[default]==" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("word", "line"),
    [("stages.rl.fleet.mode=fast", "mode"), ("stages.rl.fleet.staleness=0", "staleness"), ("ray.port=1", "port")],
)
def test_wrong_words_are_one_line(word: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rl", "pocket", word]) == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1
