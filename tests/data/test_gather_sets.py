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
    assert [*store.read_samples(tmp_path / "out/sets/items.parquet")] == items
    assert store.groups(tmp_path / "out/samples/questions.parquet") == 1
    assert gather_sets.make_sets(stage(tmp_path / "none")) == {}


def test_items_that_a_person_called_wrong_are_left_out_and_told(tmp_path: Path) -> None:
    items = [talk(f"what is 1 and {at}?", str(1 + at), verifier="number", answer=str(1 + at)) for at in range(3)]
    store.write_samples(tmp_path / "rl.parquet", items)
    checks.keep(tmp_path / "rl.parquet", items[1].fingerprint, checks.Check("wrong"))
    told = gather_sets.make_sets(stage(tmp_path / "out", items=str(tmp_path / "rl.parquet")))
    assert told == {"items": 2, "notes": ["rl.parquet: items left out, wrong by hand: 1"]}
    assert [*store.read_samples(tmp_path / "out/sets/items.parquet")] == [items[0], items[2]]


@pytest.mark.parametrize("sample", [world.document("no question"), talk("what is it?", "a lamp", verifier="number")])
def test_items_that_nothing_can_check_are_refused(sample: Sample, tmp_path: Path) -> None:
    store.write_samples(tmp_path / "rl.parquet", [sample])
    made = stage(tmp_path / "out", items=str(tmp_path / "rl.parquet"))
    with pytest.raises(InputError, match=r"rl.parquet: sample 1 has no verifier and answer"):
        gather_sets.make_sets(made)


def test_items_that_have_read_what_is_held_out_are_taken_out(tmp_path: Path) -> None:
    long = "a train leaves at noon and runs for three hours until it comes to the small town by the sea"
    asked = ["what is 1 and 3?", "What is  2 and 3?", f"{long}. how late is it?", "where does the train go?"]
    items = [talk(text, "4", verifier="number", answer="4") for text in asked]
    store.write_samples(tmp_path / "rl.parquet", [replace(one, turns=one.turns[:1]) for one in items])
    made = stage(tmp_path / "out", items=str(tmp_path / "rl.parquet"))
    gather_sets.make_sets(made)
    held = [talk("what is 2 and 3?", "5"), talk(f"tell me: {long}, but when?", "at three")]
    store.write_samples(made.held / "math.parquet", held)
    assert gather_sets.spare_evaluations(made) == 2 and gather_sets.spare_evaluations(made) == 2  # as after a kill
    kept = store.read_samples(tmp_path / "out/fresh/items.parquet")
    assert [one.turns[0].text for one in kept] == [asked[0], asked[3]]
    store.write_samples(made.held / "math.parquet", held[:1])
    assert gather_sets.spare_evaluations(made) == 1
    kept = store.read_samples(tmp_path / "out/fresh/items.parquet")
    assert [one.turns[0].text for one in kept] == [asked[0], *asked[2:]]


def asking(items: list[str], mixture: dict[str, float], folder: Path, **sets: object) -> config.Recipe:
    """A recipe whose RL asks such a mixture, with items of such kinds."""
    made = [replace(talk(f"what is {n}?", "x", verifier="text", answer="x"), kind=kind) for n, kind in enumerate(items)]
    store.write_samples(folder / "rl.parquet", made)
    recipe = tiny.tiny_recipe()
    data = replace(recipe.data, made=False, sets=config.RunSets(items=str(folder / "rl.parquet"), **sets))
    return replace(recipe, data=data, stages=(*recipe.stages[:-1], replace(recipe.stages[-1], mixture=mixture)))


def test_kinds_of_items_are_asked_and_those_in_no_mixture_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = asking(["physics", "physics", "knowledge/text"], {"math": 1.0, "physics": 1.0}, tmp_path)
    coherent.check(replace(recipe, data=replace(recipe.data, made=True)))
    coherent.check_inputs(recipe)
    assert caplog.messages == [f"data.sets.items: {tmp_path}/rl.parquet: in no RL stage's mixture, and never asked: "
                               "1 knowledge/text"]  # fmt: skip


@pytest.mark.parametrize(
    "items, mixture, told",
    [
        (["physics"], {"math": 1.0}, r"no RL stage's mixture has a kind of it \(1 physics\)"),
        (["physics"], {"math": 1.0, "physics": 0.0}, r"no RL stage's mixture has a kind of it \(1 physics\)"),
        (["math/word"], {"math": 1.0, "fysics": 1.0}, r"stages.rl.mixture.fysics: no such kind"),
        (["math/word"], {"math": 1.0, "instructions": 0.1}, r"stages.rl.mixture.instructions: .* has none; expected"),
        ([], {"math": 1.0}, r"no RL stage's mixture has a kind of it \(no items\)"),
    ],
)
def test_items_that_nobody_asks_are_refused_before_any_work(
    tmp_path: Path, items: list[str], mixture: dict[str, float], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        coherent.check_inputs(asking(items, mixture, tmp_path))


def test_instructions_come_from_items_or_are_made(tmp_path: Path) -> None:
    coherent.check_inputs(asking(["instructions"], {"math": 1.0, "instructions": 0.1}, tmp_path))
    coherent.check_inputs(asking(["math/word"], {"math": 1.0, "instructions": 0.1}, tmp_path, instructions=9))


def test_kinds_of_made_sources_need_no_other_name(tmp_path: Path) -> None:
    store.write_samples(tmp_path / "sft.parquet", [replace(talk("what is it?", "a lamp"), kind="knowledge/text")])
    recipe = tiny.tiny_recipe()
    sources = {"sft": config.Source("made", str(tmp_path / "sft.parquet"))}
    stages = [replace(recipe.stages[-2], mixture=mixture) for mixture in ({"knowledge": 1.0}, {"physics": 1.0})]
    made = replace(recipe, data=replace(recipe.data, made=False, sources=sources), stages=(stages[0],))
    coherent.check_inputs(made)
    whole = replace(
        made, data=replace(made.data, made=True), stages=(*recipe.stages[:2], *made.stages, recipe.stages[-1])
    )
    coherent.check(whole)
    with pytest.raises(InputError, match=r"stages.sft.mixture.physics: no such kind; .*, knowledge/text"):
        coherent.check_inputs(replace(made, stages=(stages[1],)))
    asked = replace(recipe.stages[-1], mixture={"math": 1.0, "prose/own": 1.0})
    own = {"mine": config.Source("text", str(tmp_path), "prose/own")}
    with pytest.raises(InputError, match=r"stages.rl.mixture.prose/own: no such kind"):
        coherent.check(replace(recipe, data=replace(recipe.data, sources=own), stages=(*recipe.stages[:-1], asked)))


def test_what_is_missing_is_told_before_any_work(tmp_path: Path) -> None:
    recipe = tiny.tiny_recipe()
    asking = replace(recipe.stages[-1], mixture={"math": 1.0, "instructions": 0.1})
    with pytest.raises(InputError, match=r"stages.rl.mixture.instructions: nobody makes them"):
        coherent.check(replace(recipe, stages=(*recipe.stages[:-1], asking)))
    gone = replace(recipe, data=replace(recipe.data, sets=config.RunSets(items=str(tmp_path / "gone.parquet"))))
    with pytest.raises(InputError, match=r"data.sets.items: .*gone.parquet is no file"):
        coherent.check_inputs(gone)
    unmeasured = replace(recipe.stages[-1], mixture={"prose": 1.0})
    with pytest.raises(InputError, match=r"stages.rl.mixture: prose have no held-out questions"):
        coherent.check(replace(recipe, stages=(*recipe.stages[:-1], unmeasured)))
    with pytest.raises(InputError, match=r"stages.rl: nobody makes questions for RL; expected data.made=true"):
        coherent.check(replace(gone, data=replace(gone.data, made=False, sources={"a": config.Source("text", ".")})))
