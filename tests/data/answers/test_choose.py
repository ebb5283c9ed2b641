"""What is kept of many answers: rules, checks and votes decide; thoughts keep their budgets, and rates are shares."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.data.answers import judge
from lapis.data.answers.choose import judged
from lapis.data.synth.problem import MARGIN, bytes_of
from lapis.data_config.answers import Answers
from lapis.remote.request import Reply, refused
from lapis.types import Sample, Text, Turn
from tests.data.answers.endpoint import question

KNOWN = Sample("math/word", "en", "s", "MIT", (Turn("user", (Text("Six by seven?"),)),),
               meta={"answer": "42", "verifier": "number"})  # fmt: skip
OPEN = replace(KNOWN, meta={})


def wrote(text: str, thought: str = "", thought_tokens: int = 0, **fields: object) -> Reply:
    return replace(Reply(text, thought, True, "stop", 1, 1, thought_tokens, 0.0), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reply, why",
    [
        (None, "no reply"),
        (refused(question("?"), "400"), "refused"),
        (wrote("42", "6*7", closed=False), "thought not closed"),
        (wrote("42", "6*7", finish="length"), "cut off"),
        (wrote(" ", "6*7"), "no answer"),
        (wrote("42"), "no thought"),
        (wrote("42", "Six by seven is\nTime is up."), "thought cut by its budget"),
        (wrote("42", "6*7", thought_tokens=64), "thought cut by its budget"),
        (wrote("42", "So wait. " * 60), "repeats itself"),
        (wrote("42", "</think> 6*7"), "marks of a template"),
        (wrote("42", "六乘七等于四十二"), "thought in another language"),
        (wrote("42", "6*7=42"), None),
    ],
)
def test_rules(reply: Reply | None, why: str | None) -> None:
    assert judge.refuse(reply, True, 64, "en") == why


def test_answers_without_thoughts_have_fewer_rules() -> None:
    assert judge.refuse(wrote("42"), False, -1, "en") is None
    assert judge.refuse(wrote("[|AI|]: 42"), False, -1, "en") == "marks of a template"


def test_prose_and_worked_sums_are_no_loops() -> None:
    thought = "a37\nb+48\nc-29\nd*3\na=37\nb+48:7851,3480=85\nc-29:5961,8250=56\nd*3:6381,5361=168\n" * 2
    assert judge.refuse(wrote("168", thought), True, -1, "zh") is None


@pytest.mark.parametrize(
    "said, agree, won",
    [
        (["42", "42.0", r"\boxed{42}", "41"], 0.5, ("42", "number", 0.75)),
        (["1/2", "1/2", "0.5"], 0.5, ("1/2", "number", 1.0)),
        (["Lisbon.", "lisbon", "Porto"], 0.6, ("lisbon", "text", 0.6667)),
        (["B", "(B)", "b."], 0.5, ("B", "choice", 1.0)),
        (["42", "41"], 0.5, None),
        (["42", "42", "41", "41"], 0.2, None),
        (["42", "42", "1", "2", "3"], 0.5, None),
        (["42"], 0.5, None),
        (["x" * 99] * 3, 0.5, None),
        ([], 0.5, None),
    ],
)
def test_votes(said: list[str], agree: float, won: tuple[str, str, float] | None) -> None:
    found = judge.vote([wrote(text) for text in said], agree)
    assert (found and (found["answer"], found["verifier"], found["agreed"])) == won


def test_replies_that_failed_count_against_a_majority() -> None:
    replies = [wrote("42"), wrote("42"), None, wrote("42", closed=False), None]
    assert judge.vote(replies, 0.5) is None and judge.vote(replies, 0.4) is not None
    assert judge.vote([wrote("42"), *(2 * [wrote("42", finish="length")])], 0.1) is None


def test_of_long_answers_the_box_is_checked() -> None:
    assert judge.right(KNOWN.meta, wrote("Because it is so. " * 40 + r"\boxed{42}"))
    assert not judge.right(KNOWN.meta, wrote("Because it is so. " * 40 + "42"))
    meta = {"verifier": "constraints", "constraints": [{"id": "end", "lang": "en", "text": "done"}]}
    assert judge.right(meta, wrote(r"The \boxed{x} is done"))


def test_each_budget_keeps_its_shortest_right_thought() -> None:
    settings_ = Answers(budgets=(-1, 32, 16, 0), samples=3)
    replies = {
        -1: [wrote("42", "a" * 60), wrote("42", "b" * 50), wrote("41", "c" * 5)],
        32: [wrote("42", "d" * 25), wrote("42", "e" * 20), wrote("42", "f" * 31)],
        16: [wrote("41", "g" * 9), None, wrote("42", "h" * 15)],
        0: [wrote("42"), wrote("43"), wrote("42.")],
    }
    made = judged(KNOWN, replies, settings_, bytes_of, "teacher")
    kept = [(one.think, one.budget, one.turns[-1].thought) for one in made.samples]
    assert kept == [(False, None, None), (True, 32, "e" * 20), (True, None, "b" * 50)]
    meta = made.problem.meta
    assert meta["passes"] == {"-1": 0.6667, "32": 1.0, "16": 0.5, "0": 0.6667}
    assert (meta["pass_rate"], meta["difficulty"], meta["answers"]) == (0.6667, 0.3333, 3)
    assert made.refused == {"wrong": 3, "no reply": 1} and made.samples[0].meta["by"] == "teacher"


def test_what_the_api_refused_is_no_try_and_what_was_cut_off_is_wrong() -> None:
    no = refused(question("?"), "400")
    replies = {-1: [wrote("42", "a"), no, None, wrote("", "b", finish="length", closed=False)], 32: [no, None]}
    meta = judged(KNOWN, replies, Answers(budgets=(-1, 32)), bytes_of, "t").problem.meta
    assert meta["passes"] == {"-1": 0.5} and (meta["pass_rate"], meta["answers"]) == (0.5, 2)
    cut = wrote(r"It is \boxed{42}, since", finish="length")
    meta = judged(KNOWN, {0: [wrote("42"), cut]}, Answers(budgets=(0,)), bytes_of, "t").problem.meta
    assert meta["passes"] == {"0": 0.5}


def test_a_budget_that_nobody_kept_may_take_a_short_thought_from_elsewhere() -> None:
    replies = {-1: [wrote("42", "a" * 60), wrote("42", "b" * 20)], 32: [wrote("41", "c"), wrote("41", "d")]}
    made = judged(KNOWN, replies, Answers(budgets=(-1, 32), samples=2), bytes_of, "t")
    assert [(one.budget, one.turns[-1].thought) for one in made.samples] == [(32, "b" * 20), (None, "a" * 60)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([-1, 0, 8, 32, 64]), st.integers(0, 70), st.booleans()), max_size=20))
def test_thoughts_and_budgets_keep_each_other(drawn: list[tuple[int, int, bool]]) -> None:
    replies = {
        budget: [
            wrote("42" if right else "41", "ab"[number % 2] + "x" * length if budget else "")
            for number, (at, length, right) in enumerate(drawn)
            if at == budget
        ]
        for budget in (-1, 0, 8, 32, 64)
    }
    if not any(replies.values()):
        return
    made = judged(KNOWN, replies, Answers(keep=2), bytes_of, "t")
    for sample in made.samples:
        thought = sample.turns[-1].thought
        assert sample.think == (thought is not None) and (sample.budget is None or sample.think)
        assert sample.budget is None or bytes_of(thought or "") + MARGIN <= sample.budget
    texts = [(one.turns[-1].thought, one.turns[-1].text) for one in made.samples]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    "problem, replies, least, why",
    [
        (KNOWN, [None, None], 0.0, "no reply"),
        (KNOWN, [refused(question("?"), "400")], 0.0, "no reply"),
        (KNOWN, [wrote("41", "a"), wrote("43", "b")], 0.0, "never right"),
        (KNOWN, [wrote("42", "a"), wrote("43", "b")], 0.6, "pass rate too low"),
        (KNOWN, [wrote("42")], 0.0, "no right answer keeps the rules"),
        (OPEN, [wrote("42", "a"), wrote("41", "b")], 0.0, "no majority"),
        (OPEN, [wrote("42", "a"), wrote("42", "b"), wrote("41", "c")], 0.0, ""),
    ],
)
def test_why_a_problem_gives_nothing(problem: Sample, replies: list[Reply | None], least: float, why: str) -> None:
    made = judged(problem, {-1: replies}, Answers(least=least), bytes_of, "t")
    assert made.dropped == why and bool(made.samples) == (why == "")
    if problem is OPEN and not why:
        assert made.problem.meta["answer"] == "42" and made.problem.meta["agreed"] == 0.6667
