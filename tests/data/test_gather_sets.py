"""Sets of a run: questions in balance, instructions and items that RL asks, and the same bytes after a cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lapis import coherent, config
from lapis.data import gather_sets, store
from lapis.data.check import checks
from lapis.data.gather import Stage
from lapis.data.synth import questions
from lapis.types import InputError, Sample, Silent
from tests import tiny
from tests.data import world
from tests.data.steps.rows import talk


def stage(out: Path, **sets: object) -> Stage:
    """A data stage with questions, one of them asked twice."""
    recipe = tiny.tiny_recipe()
    recipe = replace(recipe, data=replace(recipe.data, sets=config.RunSets(**sets)))
    made = [*questions.generate(200, 0, "train")]
    store.write_samples(out / "samples/questions.parquet", [*made, made[0]])
    return Stage(recipe, out, Silent(), out)


def test_questions_stand_once_and_a_cut_step_gives_the_same_set(tmp_path: Path) -> None:
    made = stage(tmp_path, sft=True)
    place = tmp_path / "samples/questions.parquet"
    whole = store.read_column(place, "id")
    told = gather_sets.make_sets(made)
    first = place.read_bytes()
    kept = store.read_column(place, "id")
    assert told == {"sft": len(kept)} and len(set(kept)) == len(kept) and {*kept} < {*whole}
    assert store.read_column(tmp_path / "sets/dropped.parquet", "reason").count("exact copy") == 1
    place.unlink()
    gather_sets.make_sets(made)
    assert place.read_bytes() == first


def test_rl_gets_instructions_and_items(tmp_path: Path) -> None:
    items = [talk("what is 1 and 3?", "4", verifier="number", answer="4", band="0.25-0.5")]
    store.write_samples(tmp_path / "rl.parquet", items)
    made = stage(tmp_path / "out", instructions=6, items=str(tmp_path / "rl.parquet"))
    assert gather_sets.make_sets(made) == {"instructions": 6, "items": 1}
    asked = [*store.read_samples(tmp_path / "out/fresh/instructions.parquet")]
    assert {one.kind for one in asked} == {"instructions"} and {one.lang for one in asked} == {"en", "zh"}
    assert [*store.read_samples(tmp_path / "out/fresh/items.parquet")] == items
    assert store.groups(tmp_path / "out/samples/questions.parquet") == 1
    assert gather_sets.make_sets(stage(tmp_path / "none")) == {}


def test_items_that_a_person_called_wrong_are_left_out_and_told(tmp_path: Path) -> None:
    items = [talk(f"what is 1 and {at}?", str(1 + at), verifier="number", answer=str(1 + at)) for at in range(3)]
    store.write_samples(tmp_path / "rl.parquet", items)
    checks.keep(tmp_path / "rl.parquet", items[1].fingerprint, checks.Check("wrong"))
    told = gather_sets.make_sets(stage(tmp_path / "out", items=str(tmp_path / "rl.parquet")))
    assert told == {"items": 2, "notes": ["rl.parquet: items left out, wrong by hand: 1"]}
    assert [*store.read_samples(tmp_path / "out/fresh/items.parquet")] == [items[0], items[2]]


@pytest.mark.parametrize("sample", [world.document("no question"), talk("what is it?", "a lamp", verifier="number")])
def test_items_that_nothing_can_check_are_refused(sample: Sample, tmp_path: Path) -> None:
    store.write_samples(tmp_path / "rl.parquet", [sample])
    made = stage(tmp_path / "out", items=str(tmp_path / "rl.parquet"))
    with pytest.raises(InputError, match=r"rl.parquet: sample 1 has no verifier and answer"):
        gather_sets.make_sets(made)


def test_what_is_missing_is_told_before_any_work(tmp_path: Path) -> None:
    recipe = tiny.tiny_recipe()
    asking = replace(recipe.stages[-1], mixture={"math": 1.0, "instructions": 0.1})
    with pytest.raises(InputError, match=r"stages.rl.mixture.instructions: nobody makes them"):
        coherent.check(replace(recipe, stages=(*recipe.stages[:-1], asking)))
    gone = replace(recipe, data=replace(recipe.data, sets=config.RunSets(items=str(tmp_path / "gone.parquet"))))
    with pytest.raises(InputError, match=r"data.sets.items: .*gone.parquet is no file"):
        coherent.check_inputs(gone)
