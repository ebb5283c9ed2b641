"""The command line: words, exit codes, one-line errors, what --help shows. No test here loads a model."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lapis import cli, config, named, verbs
from lapis.types import InputError
from tests.conftest import ROOT, environment, lapis
from tests.tiny import tiny_recipe

VERBS = ("run", "data", "plan", "preflight", "launch", "chat", "serve", "act", "eval", "export", "build", "report")
VERBS += ("watch", "init", "train-rm")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_shows_one_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([verb, "--help"])
    assert left.value.code == 0
    examples = re.findall(rf"^example:  lapis {verb} .+$", capsys.readouterr().out, re.MULTILINE)
    assert len(examples) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_each_example_is_understood(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([verb, "--help"])
    example = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("example:"))
    words = cli.parse(shlex.split(example.removeprefix("example:"))[1:])
    assert words.verb == verb


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "VERB"),
        (["bake"], "bake"),
        (["run"], "RECIPE"),
        (["run", "nope"], "nope: no such recipe"),
        (["run", "../cli"], "../cli: no such recipe"),
        (["run", "pocket", "--smok"], "--smok: not understood"),
        (["run", "pocket", "sed=1"], "sed: no such key"),
        (["run", "pocket", "out="], "out: no folder named"),
        (["plan", "pocket", "seed=-1"], "seed: "),
        (["chat", "nope"], "nope: no such run or folder"),
        (["chat", "tests"], "tests: no model there"),
        (["chat", "tests", "surplus"], "surplus: not understood"),
        (["chat", "tests", "--budget", "many"], "--budget"),
        (["serve", "tests"], "tests: no model there"),
        (["report", "tests"], "tests: no run there"),
        (["watch", "tests"], "tests: no run there"),
        (["export", "tests", "--to", "hf"], "tests: no run there"),
        (["export", "tests", "--to", "floppy"], "floppy"),
        (["export", "tests", "--to", "hf", "seed=1"], "seed=1: not understood"),
        (["train-rm", "tests", "--pairs", "safety"], "out: no folder named"),
        (["train-rm", "tests", "--pairs", "safety", "out=x"], "tests: no model there"),
        (["train-rm", "tests", "--pairs", "safety", "out=x", "stepz=1"], "stepz: no such key"),
        (["train-rm", "tests", "--pairs", "safety", "out=x", "held=0"], "held: "),
        (["init", "--vision", "x", "--decoder", "y"], "out: no folder named"),
        (["init", "--vision", "x", "--decoder", "y", "--tile", "391", "out=z"], "--tile 391: expected a multiple"),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert named in said.err and said.err.startswith("lapis: ") and said.err.count("\n") == 1 and said.out == ""


def test_words_may_stand_anywhere() -> None:
    words = cli.parse(["run", "--smoke", "pocket", "seed=1", "--restart", "sft", "out=here"])
    assert (words.recipe, words.smoke, words.restart, words.words) == ("pocket", True, "sft", ["seed=1", "out=here"])
    assert verbs.out_of(words) == Path("here")
    words = cli.parse(["chat", "pocket", "--prompt", "x=1?", "--no-think"])
    assert (words.prompt, words.think) == ("x=1?", False)


def test_bad_input_answers_without_loading_torch() -> None:
    code = "import sys; from lapis import cli; print(cli.main(['run', 'nope']), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.stdout == "2 False\n"


def test_python_m_lapis_leaves_with_the_code() -> None:
    done = lapis("run", "nope")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(words: verbs.Words) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/pocket/sft/model.tmp")

    monkeypatch.setattr(verbs, "plan", full)
    assert cli.main(["plan", "pocket"]) == 2
    assert capsys.readouterr().err.startswith("lapis: runs/pocket/sft/model.tmp: no space left")


def test_faults_of_ours_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(words: verbs.Words) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(verbs, "plan", broken)
    with pytest.raises(ValueError, match="ours"):
        cli.main(["plan", "pocket"])


WAIT = """
import sys, time
from lapis import cli, verbs
def wait(words):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("closed", flush=True)
verbs.plan = wait
sys.exit(cli.main(["plan", "pocket"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_close_what_is_open(number: signal.Signals, code: int) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WAIT], cwd=ROOT, env=environment(), text=True, **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, "closed\n", "lapis: stopped; the same command goes on\n")


def model_at(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")


def test_the_model_of_a_run_is_its_export_else_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/tiny")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.dump(tiny_recipe()), encoding="utf-8")
    with pytest.raises(InputError, match="no stage of this run"):
        named.model_folder("tiny")
    for name in ("text/model", "sft/model", "export/hf"):
        model_at(folder / name)
        assert named.model_folder("tiny") == named.model_folder("runs/tiny") == folder / name
    assert named.model_folder("runs/tiny/text/model") == folder / "text/model"
    assert named.run_folder("tiny") == folder


def test_eval_of_a_model_outside_a_run_wants_a_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_at(tmp_path / "model")
    assert cli.main(["eval", str(tmp_path / "model")]) == 2
    assert "--screenspot" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_bad_image_is_one_line_with_its_name(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    model_at(tmp_path / "model")
    picture = tmp_path / "picture.png"
    if content is not None:
        picture.write_bytes(content)
    assert cli.main(["chat", str(tmp_path / "model"), "--image", str(picture), "--prompt", "What?"]) == 2
    said = capsys.readouterr().err
    assert str(picture) in said and said.count("\n") == 1
