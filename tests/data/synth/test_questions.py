"""Generated questions: right answers, thoughts that lead to them, and held-out ones that training cannot know."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from lapis.data.synth import frames_en, frames_zh, program
from lapis.data.synth.logic import WORDS
from lapis.data.synth.problem import MARGIN, bytes_of
from lapis.data.synth.questions import HELD_KINDS, KINDS, READ, generate, key
from lapis.data.synth.words import FRAMES
from lapis.types import InputError, Sample
from lapis.verify import check

TRAIN = list(generate(3000, 0, "train"))
HELD = list(generate(600, 0, "held"))


def thought(sample: Sample) -> str:
    return sample.turns[-1].thought or ""


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def large(text: str) -> list[int]:
    return [number for number in numbers(text) if number >= 10]


def test_counts_and_repeatability() -> None:
    assert len(TRAIN) == 3000 and len(HELD) == 600
    assert [sample.fingerprint for sample in generate(50, 0, "train")] == [sample.fingerprint for sample in TRAIN[:50]]
    assert TRAIN[0].fingerprint != next(generate(1, 1, "train")).fingerprint
    with pytest.raises(InputError, match="split"):
        next(generate(1, 0, "test"))


def test_mixture() -> None:
    kinds = Counter(sample.kind for sample in TRAIN)
    assert set(kinds) == set(KINDS)
    assert {sample.kind for sample in HELD} == set(HELD_KINDS)
    asked = [sample for sample in TRAIN if sample.kind != "math/read"]
    assert 0.65 < sum(sample.think for sample in asked) / len(asked) < 0.78
    assert 0.4 < sum(sample.lang == "zh" for sample in TRAIN) / len(TRAIN) < 0.6
    thinking = [sample for sample in TRAIN if sample.think]
    assert 0.25 < sum(sample.budget is not None for sample in thinking) / len(thinking) < 0.35


def test_no_question_twice_and_none_of_training_held_out() -> None:
    train, held = [key(sample) for sample in TRAIN], [key(sample) for sample in HELD]
    assert len(set(train)) == len(train) and len(set(held)) == len(held)
    assert not set(train) & set(held)


def test_number_ranges_are_apart() -> None:
    for sample in TRAIN:
        shown = sample.turns[0].text
        assert not set(numbers(shown)) & set(program.HELD_VALUES), shown
    for sample in HELD:
        assert not set(numbers(sample.turns[0].text)) & set(program.TRAIN_VALUES), sample.turns[0].text


def worked(sample: Sample) -> list[tuple[str, str, str, str]]:
    """(value before, sign, number, columns) of every plain worked line."""
    text = thought(sample)
    pairs = zip(text.split("\n"), text.split("\n")[1:], strict=False)
    found = [(re.search(r"=(\d+)$", first), re.match(r"\w([-+])(\d+):([\d,=]+)=\d+$", line)) for first, line in pairs]
    return [(left[1], *line.groups()) for left, line in found if left and line]


def test_training_work_holds_every_digit_pair() -> None:
    """Held-out work needs no column that training has not."""

    def columns(samples: list[Sample]) -> set[tuple[str, str, str, str]]:
        lines = [line for sample in samples for line in worked(sample)]
        return {(left[-1], sign, right[-1], work[:4]) for left, sign, right, work in lines}

    assert columns(HELD) <= columns(TRAIN) and len(columns(TRAIN)) == 200


def test_held_out_questions_take_four_steps() -> None:
    assert all(sample.think and sample.meta["steps"] >= 4 for sample in HELD)
    assert all(thought(sample).count(":") >= 4 for sample in HELD if sample.kind != "math/logic")


def test_thoughts_are_true_and_end_in_the_answer() -> None:
    for sample in [*TRAIN, *HELD]:
        for left, sign, right, work in worked(sample):
            assert program.worked(program.Operation(int(left), sign, int(right))).rpartition("=")[0] == work
        if sample.think and sample.meta["verifier"] == "number":
            assert thought(sample).endswith("=" + sample.meta["answer"])
        assert check(sample.meta, sample.turns[-1].text).score == 1.0


def test_sums_equal_their_formula() -> None:
    for sample in [*TRAIN, *HELD]:
        if sample.meta.get("template", "").startswith("sum"):
            asked = re.sub(r" ([-+*/]) ", r"\1", sample.turns[0].text)
            formula = max(re.findall(r"[\d+*/()-]+", asked), key=len)
            assert eval(formula) == int(sample.meta["answer"])  # an oracle: Python's own arithmetic


def test_reading_lists_what_thoughts_copy() -> None:
    for sample in TRAIN:
        if sample.kind == "math/read":
            assert not sample.think and sample.turns[0].text.endswith(READ[sample.lang])
            lines = sample.turns[1].text.split("\n")
            assert len(lines) <= len(program.LETTERS) and [line[0] for line in lines] == list(
                program.LETTERS[: len(lines)]
            )
            assert sorted(large(sample.turns[0].text)) == sorted(large(sample.turns[1].text))


def test_budgets_are_kept() -> None:
    budgeted = [sample for sample in TRAIN if sample.budget is not None]
    assert all(bytes_of(thought(sample)) + MARGIN <= (sample.budget or 0) for sample in budgeted)
    sums = [thought(sample) for sample in budgeted if sample.kind != "math/logic"]
    assert 0.2 < len([one for one in sums if "\na" not in one]) / len(sums) < 0.8, "some are terse, some are not"
    assert all(sample.budget is None for sample in HELD)


def test_a_passed_counter_is_asked() -> None:
    for sample in generate(200, 0, "train", tokens=lambda text: 3 * len(text)):
        if sample.budget is not None:
            assert 3 * len(thought(sample)) + MARGIN <= sample.budget


def test_orderings_are_right() -> None:
    for sample in [*TRAIN, *HELD]:
        if sample.meta.get("template", "").startswith("ordering"):
            line = sample.turns[-1].thought
            if line:
                assert sample.meta["answer"] == line[-1]


def _templates(lang: str, split: str) -> set[str]:
    bank = FRAMES[lang, split]
    groups = [*bank.openings.values(), *bank.changes.values(), *bank.spoken.values(), bank.questions, bank.sums]
    groups += [group for name, group in WORDS[lang, split].items() if name not in ("yes", "odd")]
    return {template for group in groups for template in group}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_held_out_sentences_names_and_things_are_new(lang: str) -> None:
    train, held = FRAMES[lang, "train"], FRAMES[lang, "held"]
    assert not _templates(lang, "train") & _templates(lang, "held")
    assert not {name for name, *_ in train.people} & {name for name, *_ in held.people}
    assert not {name for name, _ in train.things} & {name for name, _ in held.things}
    assert set(train.changes) == set(held.changes) and set(train.openings) == set(held.openings)


VERBS = {
    "en": (
        *frames_en.GAIN,
        *frames_en.LOSS,
        "gives",
        "take ",
        "sells",
        "lends",
        "lost",
        "half",
        "times",
        "with",
        "has",
    ),
    "zh": (*frames_zh.GAIN, *frames_zh.LOSS, "卖", "丢", "送", "借", "倍", "一半"),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_held_out_verbs_are_known(lang: str) -> None:
    """Every change of a held-out story uses only verbs that training uses for changes of the same direction."""
    train, held = FRAMES[lang, "train"], FRAMES[lang, "held"]
    for sign, templates in held.changes.items():
        known = " ".join(text for name, group in train.changes.items() if name[0] == sign[0] for text in group)
        for template in templates:
            used = [verb for verb in VERBS[lang] if verb in template]
            assert used and all(verb in known for verb in used), (template, used)
