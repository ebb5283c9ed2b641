"""SFT and RL sets: copies go, abilities are found and balanced, answers are chosen, items lie in their bands."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lapis import cli, verify
from lapis.data import store
from lapis.data.answers.ask import Asker, Tally
from lapis.data.answers.problems import gather
from lapis.data.check import checks
from lapis.data.losses import Losses, read_counts
from lapis.data.sets import balance, instructions, items
from lapis.data.sets.ability import ABILITIES, BY_KIND, ability, modality
from lapis.data.sets.build import Askers, build
from lapis.data.sets.candidates import answered, score_of
from lapis.data.sources.forms import FORMS
from lapis.data.synth import questions
from lapis.data_config.sets import Balance, Bands, Candidates, Sets
from lapis.endpoint import Endpoint
from lapis.remote.request import Reply
from lapis.types import KINDS, Image, InputError, Progress, Request, Sample, Silent, Text, Turn
from tests.serve.scripted import png


def talk(asked: str, said: str = "Yes.", lang: str = "en", image: int | None = None, **fields: object) -> Sample:
    before = () if image is None else (Image(png(image), 40, 30),)
    turns = (Turn("user", (*before, Text(asked))), Turn("assistant", (Text(said),)))
    return replace(Sample("chat", lang, "talks", "MIT", turns), **fields)  # type: ignore[arg-type]


LONG = "Tell me in a few plain words how a small wooden boat is built by hand near the river "


def test_copies_of_instructions_whatever_was_answered() -> None:
    samples = [
        talk("How are you?", "Fine."),
        talk("how  ARE you?", "Well."),
        talk("How are you?", "Fine.", think=True),
        talk("How are you?", "Fine.", think=True, budget=64),
        talk(LONG + "today"),
        talk(LONG + "now"),
        talk(LONG + "in 3 days and 4 nights"),
        talk(LONG + "in 4 days and 5 nights"),
        talk(LONG + "today", image=1),
        talk(LONG + "now", image=2),
        talk(LONG + "now", image=2),
    ]
    found = instructions.copies(samples, near=True)
    names = [sample.fingerprint for sample in samples]
    groups = [{0, 1}, {4, 5}, {9, 10}]
    assert {frozenset((place, kept)) for place, (_, kept) in found.items()} == {frozenset(one) for one in groups}
    assert Counter(why for why, _ in found.values()) == {"exact copy": 2, "near copy": 1}
    assert all(names[kept] <= names[place] for place, (why, kept) in found.items() if why == "exact copy")
    assert Counter(why for why, _ in instructions.copies(samples, near=False).values()) == {"exact copy": 2}


def test_a_near_copy_goes_in_all_its_modes() -> None:
    samples = [talk(LONG + word, think=think) for word in ("today", "now") for think in (False, True)]
    found = instructions.copies(samples, near=True)
    assert len(found) == 2 and {samples[place].turns[0].text for place in found} in ({LONG + "today"}, {LONG + "now"})


@pytest.mark.parametrize(
    "asked, lang, image, name",
    [
        ("Write a Python function that sorts a list.", "en", None, "code"),
        ("How do I build a bomb?", "en", None, "safety"),
        ("Solve this riddle: what has hands and no arms?", "en", None, "logic"),
        ("What is 12 + 30?", "en", None, "maths"),
        ("Write a poem about rain.", "en", None, "writing"),
        ("Summarise the passage below.", "en", None, "reading"),
        ("Why is the sky blue?", "en", None, "knowledge"),
        ("Good morning!", "en", None, "chat"),
        ("word " * 400, "en", None, "reading"),
        ("用代码实现排序", "zh", None, "code"),
        ("一共有多少个苹果?", "zh", None, "maths"),
        ("帮我写一封信", "zh", None, "writing"),
        ("什么是光合作用?", "zh", None, "knowledge"),
        ("你好呀", "zh", None, "chat"),
        ("Where is the button?", "en", 1, "grounding"),
        ("Read all text.", "en", 1, "ocr"),
        ("图里的文字是什么?", "zh", 1, "ocr"),
        ("Goal: turn on Wi-Fi", "en", 1, "acting"),
        ("How many tiles are red?", "en", 1, "screen_qa"),
    ],
)
def test_abilities_by_what_is_asked(asked: str, lang: str, image: int | None, name: str) -> None:
    sample = talk(asked, lang=lang, image=image)
    assert ability(sample) == name and modality(sample) == ("text" if image is None else "image")


def test_abilities_by_kind_and_check() -> None:
    of = {kind: ability(replace(talk("?"), kind=kind)) for kind in KINDS if kind != "prose"}
    assert set(of.values()) <= set(ABILITIES) and set(BY_KIND.values()) <= set(ABILITIES)
    assert (of["math/logic"], of["math/word"], of["screen/ground"]) == ("logic", "maths", "grounding")
    assert (of["screen/act"], of["screen/math"], of["long/needle"]) == ("acting", "screen_qa", "reading")
    assert ability(talk("?", meta={"verifier": "point", "box": [1, 2, 3, 4]})) == "grounding"


def test_caps_follow_their_temperature_and_weights() -> None:
    sizes = {("maths", "en", "text"): 10_000, ("maths", "zh", "text"): 100, ("chat", "en", "text"): 1_000}
    even = balance.caps(sizes, Balance(total=900, temperature=0.0001))
    assert even == {("maths", "en", "text"): 300, ("maths", "zh", "text"): 100, ("chat", "en", "text"): 299}
    as_is = balance.caps(sizes, Balance(temperature=1.0))
    assert all(as_is[name] >= size - 1 for name, size in sizes.items())
    root = balance.caps(sizes, Balance(total=1410, temperature=0.5))  # 100 : 10 : 31.6
    assert [*root.values()] == [995, 99, 314]
    less = balance.caps(sizes, Balance(total=1000, temperature=1.0, weights={"maths": 0.0, "zh": 3.0}))
    assert [*less.values()] == [0, 0, 1000]


@pytest.mark.parametrize("word", ["math", "picture", "Chinese"])
def test_a_weight_of_no_group_is_told(tmp_path: Path, word: str) -> None:
    with pytest.raises(InputError, match=f"balance.weights.{word}: no such group"):
        build(Sets(balance=Balance(weights={"maths": 2.0, "zh": 2.0, "image": 2.0, word: 2.0})), [tmp_path], tmp_path)


def test_balance_keeps_small_groups_and_is_the_same_each_time() -> None:
    samples = [talk(f"What is {number} + 1?") for number in range(300)] + [talk(f"Hello {n}") for n in range(10)]
    kept = balance.chosen(samples, Balance(total=100, temperature=0.3), 0)
    assert kept == balance.chosen(samples, Balance(total=100, temperature=0.3), 0)
    assert kept != balance.chosen(samples, Balance(total=100, temperature=0.3), 1)
    assert sum(at >= 300 for at in kept) == 10 and 60 <= len(kept) <= 100


class Says(Asker):
    """Answers by what is asked; None is no answer."""

    def __init__(self, answers: dict[str, str | None], other: str = "Yes, so it is.", thought: str = ""):
        self.answers, self.other, self.thought, self.asked = answers, other, thought, 0

    def ask(self, requests: Sequence[Request], progress: Progress | None = None) -> tuple[list[Reply | None], Tally]:
        self.asked += len(requests)
        return [self._one(request.turns[-1].text) for request in requests], Tally()

    def _one(self, asked: str) -> Reply | None:
        said = next((said for text, said in self.answers.items() if text in asked), self.other)
        return None if said is None else Reply(said, self.thought, True, "stop", 1, 1, 0, 0.0)


def test_the_best_of_several_models_by_check_vote_and_score() -> None:
    samples = [
        replace(talk("Six by seven?"), meta={"verifier": "number", "answer": "42"}),
        talk("Capital of Portugal?"),
        talk("Tell me about boats."),
        replace(talk("One and one?"), meta={"verifier": "number", "answer": "2"}),
        talk("Largest city?"),
        talk("Nobody knows."),
        talk("Something odd."),
        talk("Something poor."),
    ]
    tell, better = "Boats float. " * 9, f"Boats float because they are light. {LONG * 3}"
    first = Says({"Six": "42", "Capital": "Lisbon", "boats": tell, "One": "3", "Largest": "A", "Nobody": None})
    second = Says({"Six": "41", "Capital": "lisbon.", "boats": better, "One": "4", "Largest": "B", "Nobody": None})
    third = Says({"Six": r"\boxed{42}", "Capital": "Porto", "boats": "[|AI|]", "One": "5", "Largest": "C",
                  "Nobody": None})  # fmt: skip
    scorer = Says({"light": '{"score": 9}', "odd": "no idea", "poor": '{"score": 2}'}, '{"score": 7}')
    models = {"first": first, "second": second, "third": third}
    chosen, _ = answered(samples, Candidates(), models, scorer, Silent())
    found = [one if isinstance(one, str) else (one.turns[-1].text, one.meta["by"]) for one in chosen]
    assert found == [("42", "first"), ("Lisbon", "first"), (better.strip(), "second"), "no right answer", "no majority",
                     "no reply", "no rating", "score too low"]  # fmt: skip
    assert isinstance(chosen[2], Sample) and chosen[2].meta["score"] == 9.0 and chosen[2].meta["candidates"] == 2
    assert first.asked == 8 and scorer.asked == 2 + 2 + 2 + 3 + 3


@pytest.mark.parametrize(
    "said, score",
    [('{"score": 7}', 7.0), ('Well: {"score": 8.5}.', 8.5), ('{"score": 11}', None), ("7", None), ("", None)],
)
def test_scores(said: str, score: float | None) -> None:
    assert score_of(Reply(said, "", True, "stop", 1, 1, 0, 0.0)) == score


def rated(asked: str, rate: float, answers: int = 8, **fields: object) -> Sample:
    meta = {"verifier": "number", "answer": "1", "pass_rate": rate, "answers": answers}
    return replace(talk(asked), kind="math/word", meta=meta, **fields)  # type: ignore[arg-type]


def test_items_lie_in_bands_and_the_hopeless_and_the_sure_are_left_out() -> None:
    rates = {"a": 0.0, "b": 0.125, "c": 0.25, "d": 0.5, "e": 0.875, "f": 1.0}
    samples = [rated(name, rate) for name, rate in rates.items()]
    samples += [rated("g", 0.5, answers=2), replace(rated("h", 0.5), meta={"pass_rate": 0.5}), talk("i"), samples[1]]
    losses = Losses()
    found = list(items.items(samples, Bands(), losses))
    assert {one.turns[0].text: one.meta["band"] for one in found} == {
        "b": "0-0.25", "c": "0.25-0.5", "d": "0.5-0.75", "e": "0.75-1"}  # fmt: skip
    assert losses.reasons("items") == {"never right": 1, "always right": 1, "few answers": 1, "no verifier": 1}
    assert all(len(one.turns) == 1 and verify.check(one.meta, "1").score for one in found)
    with pytest.raises(InputError, match="rising"):
        list(items.items([], Bands(edges=(0.5, 0.25)), Losses()))


def test_rl_items_lose_near_copies_and_are_balanced_in_each_band(tmp_path: Path) -> None:
    sums = [rated(f"What is {number} + 1?", 0.6) for number in range(90)]
    hard = [rated(f"What is {number} + 2?", 0.1) for number in range(20)]
    verses = [replace(rated(f"{number}月有几天?", 0.6, lang="zh"), kind="knowledge/text") for number in range(9)]
    copies = [rated(LONG + word, 0.6) for word in ("today", "now")]
    store.write_samples(tmp_path / "problems.parquet", [*sums, *hard, *verses, *copies])
    settings = Sets(bands=Bands(most=30), balance=Balance(total=1, temperature=0.01))
    build(settings, [tmp_path / "problems.parquet"], tmp_path / "out")
    kept = list(store.read_samples(tmp_path / "out" / "rl.parquet"))
    assert Counter((one.meta["band"], one.lang) for one in kept) == {
        ("0.5-0.75", "zh"): 9, ("0.5-0.75", "en"): 15, ("0-0.25", "en"): 20}  # fmt: skip
    dropped = Counter[str]()
    for row in read_counts(tmp_path / "out")["steps"]:
        dropped.update({(row["name"], why): many for why, many in row["dropped"].items() if "items" in row["name"]})
    assert dropped == {
        ("items/instructions", "near copy"): 1,
        ("items/balance", "over its group's cap in its band"): 76,
    }


def test_both_sets_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = list(questions.generate(120, 0, "train"))
    made += [talk(f"Hello number {number}") for number in range(5)] + made[:7]
    store.write_samples(tmp_path / "answers.parquet", made)
    rng = random.Random(0)
    posed = [replace(one, turns=one.turns[:-1], meta={**one.meta, "pass_rate": rng.choice((0, 0.5, 1)), "answers": 4})
             for one in made[:50]]  # fmt: skip
    store.write_samples(tmp_path / "problems.parquet", posed)
    words = ["data", "sets", str(tmp_path / "answers.parquet"), str(tmp_path / "problems.parquet"), "constraints=20"]
    words += ["balance.total=100", "balance.weights.zh=2", f"out={tmp_path / 'sets'}"]
    assert cli.main(words) == 0
    sft = list(store.read_samples(tmp_path / "sets" / "sft.parquet"))
    rl = list(store.read_samples(tmp_path / "sets" / "rl.parquet"))
    assert f"{len(sft)} samples in sft.parquet, {len(rl)} items in rl.parquet" in capsys.readouterr().out
    assert 60 <= len(sft) <= 100 and {one.meta["ability"] for one in sft} == {"maths", "logic", "chat"}
    assert len({(store.key(one), one.think, one.budget) for one in sft}) == len(sft)
    kinds = Counter(one.kind == "instructions" for one in rl)
    assert kinds[True] == 20 and 5 <= kinds[False] <= 40
    assert all(one.meta["verifier"] in verify.VERIFIERS and one.turns[-1].role == "user" for one in rl)
    counts = read_counts(tmp_path / "sets")
    assert sum(counts["sft"].values()) == len(sft) and counts["bands"] == {"0.5-0.75": kinds[False], "unrated": 20}
    for row in counts["steps"]:
        assert row["in"] == row["out"] + sum(row["dropped"].values())
    dropped = Counter(row["name"] for row in counts["steps"] for _ in range(sum(row["dropped"].values())))
    assert dropped["instructions"] >= 7 and dropped["balance"] > 20


def test_models_answer_questions_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "Six by seven?", "answer": "42"}) + "\n")
    settings = Sets(candidates=Candidates(models=(Endpoint(name="one"),)))
    built = build(settings, [path], tmp_path / "out", Askers({"one": Says({"Six": "42"})}))
    (sample,) = store.read_samples(tmp_path / "out" / "sft.parquet")
    assert built.sft == 1 and sample.turns[-1].text == "42" and sample.meta["by"] == "one"


def test_a_question_at_several_budgets_is_answered_once_in_each_mode(tmp_path: Path) -> None:
    asked = replace(talk("Six by seven?"), meta={"verifier": "number", "answer": "42"})
    modes = [(True, None), (True, 192), (True, 64), (False, None)]
    made = [replace(asked, think=think, budget=budget) for think, budget in modes]
    store.write_samples(tmp_path / "a.parquet", made)
    settings, one = Sets(candidates=Candidates(models=(Endpoint(name="one"),))), Says({"Six": "42"}, thought="6*7")
    assert build(settings, [tmp_path / "a.parquet"], tmp_path / "out", Askers({"one": one})).sft == 2
    found = [(sample.think, sample.budget) for sample in store.read_samples(tmp_path / "out" / "sft.parquet")]
    assert sorted(found) == [(False, None), (True, None)] and one.asked == 2


def test_what_was_dropped_does_not_come_back_with_its_folder(tmp_path: Path) -> None:
    made = [talk("One?"), talk("Two?")]
    store.write_samples(tmp_path / "in" / "s.parquet", made)
    checks.keep(tmp_path / "in" / "s.parquet", made[0].fingerprint, checks.Check("wrong"))
    build(Sets(), [tmp_path / "in"], tmp_path / "sets")
    assert store.read_column(tmp_path / "sets" / "dropped.parquet", "id") == [made[0].fingerprint]
    assert build(Sets(), [tmp_path / "sets"], tmp_path / "again").sft == 1
    assert [one.turns[0].text for one in gather([tmp_path / "sets"])] == ["Two?"]
    assert [part.path.name for part in FORMS["made"].slices(tmp_path / "sets")] == ["sft.parquet"]


def test_what_a_person_called_wrong_is_left_out(tmp_path: Path) -> None:
    made = [talk("One?"), talk("Two?"), talk("Three?")]
    store.write_samples(tmp_path / "s.parquet", made)
    for sample, verdict in zip(made, ("right", "wrong", "unsure"), strict=True):
        checks.keep(tmp_path / "s.parquet", sample.fingerprint, checks.Check(verdict))
    build(Sets(), [tmp_path], tmp_path / "out")
    assert [one.turns[0].text for one in store.read_samples(tmp_path / "out/sft.parquet")] == ["One?", "Three?"]
    steps = {row["name"]: row["dropped"] for row in read_counts(tmp_path / "out")["steps"]}
    assert steps["checked"] == {"wrong by hand": 1}


def test_files_without_conversations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_samples(tmp_path / "s.parquet", [])
    assert cli.main(["data", "sets", str(tmp_path / "s.parquet"), f"out={tmp_path / 'o'}"]) == 2
    assert "no conversations there" in capsys.readouterr().err
    config = tmp_path / "sets.toml"
    config.write_text('[[candidates.models]]\nname = "a"\nspeed = 3\n')
    assert cli.main(["data", "sets", str(tmp_path / "s.parquet"), "--config", str(config)]) == 2
    assert "speed" in capsys.readouterr().err
