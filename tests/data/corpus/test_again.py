"""The data stage once more: after a change as if all had been so from the start, after a kill as without one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lapis import config, data_models, run
from lapis.data import pipeline
from tests.conftest import here
from tests.data import world
from tests.data.corpus import made

MARKER = "steps/parts.json"


class Cut(Exception):
    """The build is killed."""


def texts(seed: int, count: int = 12) -> list[str]:
    rng = random.Random(seed)
    return [made.text(rng) for _ in range(count)]


def test_a_source_more_gives_what_a_new_build_gives(tmp_path: Path) -> None:
    made.write(tmp_path / "a.jsonl", texts(0))
    made.write(tmp_path / "b.jsonl", [one.replace("ale", "ozu").replace("ent", "ika") for one in texts(1)])
    places = {"old": tmp_path / "a.jsonl"}
    pipeline.build(made.recipe(made.data(places)), tmp_path / "out", world.Seen())
    before = (tmp_path / "out/tokenizer/tokenizer.json").read_bytes()
    recipe = made.recipe(made.data(places | {"new": tmp_path / "b.jsonl"}))
    assert not pipeline.current(recipe.data, tmp_path / "out" / MARKER)
    pipeline.reopen(recipe.data, tmp_path / "out")
    for out in (tmp_path / "out", tmp_path / "fresh"):
        pipeline.build(recipe, out, world.Seen())
        (out / MARKER).unlink()  # how many partitions were new
    assert made.contents(tmp_path / "out") == made.contents(tmp_path / "fresh")
    assert (tmp_path / "out/tokenizer/tokenizer.json").read_bytes() != before


def test_a_tokenizer_that_samples_were_measured_with_stays_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = tmp_path / "data/steps"
    steps.mkdir(parents=True)
    for step in pipeline.STEPS:
        (steps / f"{step.name}.json").write_text('{"plan": []}')
    made.write(tmp_path / "a.jsonl", texts(0))
    recipe = made.recipe(made.data({"web": tmp_path / "a.jsonl"}))
    run._refresh(replace(recipe, data=replace(recipe.data, made=True)), tmp_path)
    assert (steps / "tokenizer.json").is_file() and not (steps / "corpus.json").exists()
    assert "sources changed, the tokenizer stays" in capsys.readouterr().err
    (steps / "parts.json").write_text('{"plan": []}')
    run._refresh(recipe, tmp_path)
    assert not (steps / "tokenizer.json").exists() and not capsys.readouterr().err


def test_samples_of_the_last_source_leave_with_it(tmp_path: Path) -> None:
    made.write(tmp_path / "a.jsonl", texts(0))
    recipe = made.recipe(made.data({"web": tmp_path / "a.jsonl"}))
    pipeline.build(recipe, tmp_path / "data", world.Seen(), until="corpus")
    assert list((tmp_path / "data/samples").glob("web-*"))
    recipe = replace(recipe, data=replace(recipe.data, sources={}))
    run._refresh(recipe, tmp_path)
    pipeline.build(recipe, tmp_path / "data", world.Seen(), until="corpus")
    assert not list((tmp_path / "data/samples").glob("web-*"))


def test_the_same_command_finds_an_edited_evaluation_set(tmp_path: Path) -> None:
    every = texts(0)
    made.write(tmp_path / "a.jsonl", every)
    words = ["data.sources.web.form=jsonl", f"data.sources.web.place={tmp_path}/a.jsonl", "data.sources.web.lang=en"]
    words += [f'data.corpus.evaluations.against=["{tmp_path}/exam.jsonl"]', f"out={tmp_path}/out"]
    for exam, left in ((texts(1, 1), every), (every[3:4], [*every[:3], *every[4:]])):
        made.write(tmp_path / "exam.jsonl", exam)
        done = here("data", "build", "corpus", "--until", "corpus", *words)
        assert done.returncode == 0, done.stderr
        assert made.kept(tmp_path / "out/data") == left


def test_an_edited_file_of_a_folder_of_evaluations_is_found(tmp_path: Path) -> None:
    made.write(tmp_path / "exam/screens/a.json", ["x"])
    settings = made.data({}, f'evaluations.against=["{tmp_path}/exam"]')
    before = pipeline.engine.exams(settings)
    assert before == pipeline.engine.exams(settings)
    made.write(tmp_path / "exam/screens/a.json", ["xyz"])
    assert before != pipeline.engine.exams(settings)


def test_items_of_rl_are_compared_again_where_an_evaluation_set_came(tmp_path: Path) -> None:
    recipe = made.recipe(made.data({}))
    recipe = replace(recipe, data=replace(recipe.data, made=True, sets=config.RunSets(items="rl.parquet")))
    told = pipeline.engine.make_parts(recipe.data, tmp_path / "data/corpus", world.Seen())
    steps = tmp_path / "data/steps"
    steps.mkdir(parents=True)
    (steps / "parts.json").write_text(json.dumps(told | {"weights": data_models.weights(recipe.data)}))
    (steps / "decontaminate.json").write_text("{}")
    run._refresh(recipe, tmp_path)
    assert (steps / "decontaminate.json").is_file()
    corpus = made.corpus(f'evaluations.against=["{made.write(tmp_path / "exam.jsonl", ["x"])}"]')
    run._refresh(replace(recipe, data=replace(recipe.data, corpus=corpus)), tmp_path)
    assert not (steps / "decontaminate.json").exists()


@pytest.mark.parametrize("after", range(9))
def test_a_kill_amid_reopening_leaves_no_step_that_is_out_of_date(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tells that sources changed goes last, and shards all at once."""
    recipe, out = made.recipe(made.data({"web": made.write(tmp_path / "a.jsonl", ["x"])})), tmp_path / "data"
    for name in ("shards/web.arrow", "shards/web.entry.json", *(f"steps/{step}.json" for step in pipeline.ALONE)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text('{"plan": []}')
    left = after

    def counted(act: Callable[..., None]) -> Callable[..., None]:
        def acts(*given: object, **named: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            act(*given, **named)

        return acts

    with monkeypatch.context() as patch, suppress(Cut):
        patch.setattr(Path, "unlink", counted(Path.unlink))
        patch.setattr(os, "unlink", counted(os.unlink))
        pipeline.reopen(recipe.data, out)
    entry, shard = ((out / f"shards/web.{ending}").exists() for ending in ("entry.json", "arrow"))
    assert shard or not entry
    run._refresh(recipe, tmp_path)
    assert not list((out / "steps").iterdir()) and not (out / "shards").exists()


def test_a_reader_that_was_trained_anew_is_another(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text("{}")
    made.write(tmp_path / "a.jsonl", texts(0))
    settings = made.data({"web": tmp_path / "a.jsonl"})
    weights = data_models.weights(made.data({"web": tmp_path}, f"reader.model={tmp_path / 'model'}"))
    marker = tmp_path / "parts.json"
    told = pipeline.engine.make_parts(settings, tmp_path / "corpus", world.Seen())
    marker.write_text(json.dumps(told | {"weights": weights}))
    assert pipeline.current(settings, marker, weights)
    (tmp_path / "model/model.safetensors").write_text("{ }")
    weights = data_models.weights(made.data({"web": tmp_path}, f"reader.model={tmp_path / 'model'}"))
    assert not pipeline.current(settings, marker, weights)


KILLED = """
import signal, sys
from pathlib import Path
from lapis.data import pipeline
from tests.data import world
from tests.data.corpus import made

folder = Path(sys.argv[1])
recipe = made.recipe(made.data({"web": folder / "web/*.jsonl"}, "slice_mb=1e-6"))
for name in sys.argv[2:]:
    code = made.killed(lambda: pipeline.build(recipe, folder / "cut", world.Seen()), 1, name)
    assert code == -signal.SIGKILL, (name, code)
for out in ("cut", "whole"):
    code = made.killed(lambda: pipeline.build(recipe, folder / out, world.Seen()), 0)
    assert code == 0, (out, code)
"""
CUT = (
    "parts.json", "web-0001.parquet", "corpus.json", "tokenizer.json", "decontaminate.json", "web-0000-0000.arrow",
    "web-0001-0000.tiles.arrow", "web-0002-0000.entry.json", "index.json", "shards.json", "counts.json", "done.json",
)  # fmt: skip
"""Files amid whose writing the stage is killed, one start after the other."""


def test_killed_amid_any_output_gives_the_same_bytes(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        made.write(tmp_path / f"web/{name}.jsonl", texts(number))
    words = [sys.executable, "-c", KILLED, str(tmp_path), *CUT]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cut, whole = (made.contents(tmp_path / name) for name in ("cut", "whole"))
    made_anew = [json.loads(one.pop(MARKER)) for one in (cut, whole)]
    assert cut == whole and made_anew[0]["plan"] == made_anew[1]["plan"]
    assert sum(name.startswith("shards/") for name in whole) == 7
