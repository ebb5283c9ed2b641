"""`lapis act` at the command line: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as Picture

from lapis import act_verb, actions, cli
from tests.eval.scripted import Scripted, picture

CLICK = actions.Click(target="Save", coordinate=(500, 500))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What looks like a folder with a model."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    (tmp_path / "shot.png").write_bytes(picture(0x334455).data)
    return folder


def act(said: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(act_verb, "_engine", lambda folder: Scripted(lambda request: (said, "it is there")))
    return cli.main(["act", *words])


def test_one_step_prints_thought_and_action_and_draws_it(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = model.parent / "drawn.png"
    words = [str(model), "--image", str(model.parent / "shot.png"), "--goal", "Save it", "--out", str(out)]
    assert act(actions.write(CLICK), [*words, "--think", "--budget", "16"], monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == ["it is there", actions.write(CLICK), str(out)]
    with Picture.open(out) as drawn:
        assert drawn.width == 64 and drawn.height > 96 and len(drawn.getcolors() or ()) > 2
    assert act(actions.write(CLICK), [*words, "--json"], monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["action"] == {"action": "click", "target": "Save", "coordinate": [500, 500]}
    assert told["picture"] == str(out) and told["thought"] == ""


def test_pages_are_driven_and_told_about(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = model.parent / "sheet.png"
    words = [str(model), "--browse", "--tasks", "2", "--steps", "2", "--out", str(out)]
    assert act(actions.write(CLICK), [*words, "--json"], monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["success"]["n"] == 2 and told["invalid"] == 0 and told["steps"] == 2 and out.is_file()
    assert act(actions.write(CLICK), words, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["2.0 steps a task, 0 invalid", str(out)]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "expected --image and --goal, or --browse"),
        (["--browse", "--goal", "x"], "neither --image nor --goal"),
        (["--browse", "--tasks", "0"], "--tasks 0: expected 1 or more"),
        (["--browse", "--budget", "4"], "expected --think with it"),
        (["--image", "none.png", "--goal", "x"], "none.png: cannot be read"),
    ],
)
def test_wrong_words_are_one_line(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert act("", [str(model), *more], monkeypatch) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_what_is_no_action_is_told(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(model), "--image", str(model.parent / "shot.png"), "--goal", "Save it"]
    assert act("tap it", [*words, "--out", str(model.parent / "no.png")], monkeypatch) == 2
    assert "wrote no action" in capsys.readouterr().err and not (model.parent / "no.png").exists()
