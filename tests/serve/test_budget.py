"""The budget machine alone: every request keeps its budget, no character is cut, and an answer follows."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapis import chat
from lapis.serve.budget import UNLIMITED, Limits, Machine, Marks, State, missing
from lapis.types import InputError

THINK, UNTHINK, END, AI, DOT, LETTER, NEWLINE = range(7)
FIRST, SECOND, THIRD = 7, 8, 9
"""The three bytes of U+4E2D, a token each."""
CLOSING = (LETTER, DOT)
MARKS = Marks(
    think=(THINK,),
    unthink=(UNTHINK,),
    end=END,
    banned=(AI,),
    opening=(NEWLINE,),
    closing=CLOSING,
    content=(b"", b"", b"", b"", b".", b"a", b"\n", b"\xe4", b"\xb8", b"\xad"),
    sentence=frozenset((DOT, NEWLINE)),
)
ALL = range(10)


def play(machine: Machine, choices: list[int], most: int) -> tuple[list[int], list[bool]]:
    """Feed choices, each moved to the next token that the state allows, until the end or the last token."""
    written: list[int] = []
    forced: list[bool] = []
    for choice in choices[:most]:
        banned = MARKS.forbidden(machine.state)
        allowed = next(token for token in (*range(choice, 10), *ALL) if token not in banned)
        token, by_machine = machine.take(allowed)
        written.append(token)
        forced.append(by_machine)
        if token == END:
            break
    return written, forced


def machine(
    budget: int = UNLIMITED, most: int = 100, reserve: int = 0, grace: float = 0.0, prompt: tuple = ()
) -> Machine:
    return Machine(MARKS, prompt, True, Limits(budget, most, reserve, grace))


def text(tokens: list[int]) -> bytes:
    return b"".join(MARKS.content[token] for token in tokens)


@given(
    st.integers(-1, 40),
    st.integers(3, 60),
    st.integers(0, 70),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from([(), (AI,), (AI, THINK), (AI, THINK, LETTER, LETTER), (AI, THINK, LETTER, UNTHINK)]),
    st.lists(st.sampled_from(ALL), min_size=60, max_size=60),
)
def test_every_request_keeps_its_budget_and_answers(budget, most, reserve, grace, prompt, choices) -> None:
    state = machine(budget, most, reserve, grace, prompt)
    begun = len(prompt) - 2 if prompt[1:2] == (THINK,) and UNTHINK not in prompt else 0
    written, forced = play(state, choices, most)
    answer = written[written.index(UNTHINK) + 1 :] if UNTHINK in written else written
    said = text(answer).strip()
    assert state.state is (State.ANSWERING if said else State.OPENED)
    assert said or END not in answer
    thought = written[: written.index(UNTHINK)] if UNTHINK in written else []
    thought = [token for token in thought if token != THINK]
    assert state.thought_tokens == len(thought) + (begun if UNTHINK not in prompt else 0)
    assert budget == UNLIMITED or len(thought) + begun <= max(budget, begun)
    if UNTHINK not in prompt:
        assert answer and answer[0] != END
        assert len(answer) >= min(reserve, most - 2 - (NEWLINE in written[:2])) or END in answer
    assert len(forced) == len(written) and written.count(UNTHINK) <= 1 and written.count(THINK) <= 1


LONG = dataclasses.replace(
    MARKS, think=(THINK, LETTER), unthink=(UNTHINK, LETTER, UNTHINK), content=(b"<", b">", *MARKS.content[2:])
)
"""Marks of several tokens, which are text; the closing one has a beginning that comes again inside of it."""
PROMPTS = {
    "fresh": (AI,),
    "opened": (AI, THINK, LETTER),
    "begun": (AI, THINK, LETTER, LETTER, DOT, LETTER),
    "closing": (AI, THINK, LETTER, LETTER, UNTHINK, LETTER),
    "closed": (AI, THINK, LETTER, LETTER, UNTHINK, LETTER, UNTHINK),
    "answered": (AI, THINK, LETTER, UNTHINK, LETTER, UNTHINK, LETTER, END, AI),
}


def find(tokens: list[int], mark: tuple[int, ...]) -> int:
    """Where the mark begins; -1 without it."""
    size = len(mark)
    return next((at for at in range(len(tokens) - size + 1) if tuple(tokens[at : at + size]) == mark), -1)


@given(
    st.integers(-1, 40),
    st.integers(6, 60),
    st.integers(0, 70),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from(sorted(PROMPTS)),
    st.lists(st.sampled_from([END, DOT, LETTER, UNTHINK, FIRST, SECOND, THIRD]), min_size=60, max_size=60),
)
def test_marks_of_several_tokens_keep_the_budget_too(budget, most, reserve, grace, name, choices) -> None:
    prompt = PROMPTS[name]
    state = Machine(LONG, prompt, True, Limits(budget, most, reserve, grace))
    begun = {"opened": 0, "begun": 3, "closing": 3}.get(name, 0)
    written = []
    for choice in choices[:most]:
        token = choice if choice not in LONG.forbidden(state.state) else LETTER
        written.append(state.take(token)[0])
        if state.closed and written[-1] == END:
            break
    assert state.state is State.ANSWERING
    if name == "closed":
        assert state.answer_at == 0 and state.thought_tokens == 0
        return
    told = list(prompt[len(prompt) - begun :] if begun else ()) + written
    opened = len(LONG.think) if name in ("fresh", "answered") else 0
    assert tuple(written[:opened]) == LONG.think[:opened] and state.thought_at == opened
    close = find(told[opened:], LONG.unthink)
    assert close >= 0 and state.thought_tokens == close
    assert state.answer_at == opened + close + len(LONG.unthink) - begun
    kept = sum(1 for token in prompt[len(prompt) - begun :]) if begun else 0
    assert budget == UNLIMITED or close <= max(budget, kept)
    answer = written[state.answer_at :]
    assert answer and answer[0] != END


def test_an_answer_of_blanks_alone_may_not_end() -> None:
    state = machine(0)
    assert [state.take(0)[0] for _ in range(2)] == [THINK, UNTHINK]
    for _ in range(3):
        assert END in MARKS.forbidden(state.state)
        assert state.take(NEWLINE) == (NEWLINE, False)
    state.take(LETTER)
    assert state.state is State.ANSWERING and END not in MARKS.forbidden(state.state)
    assert state.take(NEWLINE) == (NEWLINE, False) and state.state is State.ANSWERING


@given(st.integers(0, 40), st.lists(st.sampled_from([LETTER, NEWLINE]), max_size=4), st.booleans())
def test_no_character_is_cut(budget, start, grace) -> None:
    state = machine(budget, 100, grace=0.2 if grace else 0.0)
    wanted = [*start, *[FIRST, SECOND, THIRD] * 40]
    written: list[int] = []
    while state.state < State.OPENED:
        token, forced = state.take(wanted[0])
        written.append(token)
        if not forced:
            wanted.pop(0)
    text(written).decode("utf-8")
    assert state.thought_tokens <= budget


def test_the_thought_opens_by_force_and_its_newline_counts() -> None:
    written, forced = play(machine(most=20), [LETTER, LETTER, LETTER, UNTHINK, LETTER, END], 20)
    assert written == [THINK, NEWLINE, LETTER, UNTHINK, LETTER, END]
    assert forced == [True, True, False, False, False, False]


def test_without_thinking_nothing_is_forced() -> None:
    state = Machine(MARKS, (AI,), False, Limits(0, 10))
    assert play(state, [LETTER, END], 10) == ([LETTER, END], [False, False])
    assert state.thought_tokens == 0


def test_budget_zero_closes_at_once() -> None:
    written, forced = play(machine(0), [LETTER] * 4, 4)
    assert written == [THINK, UNTHINK, LETTER, LETTER] and forced == [True, True, False, False]


def test_the_closing_message_and_its_mark_fit_inside_the_budget() -> None:
    state = machine(12)
    written, _ = play(state, [LETTER] * 30, 30)
    assert written[:14] == [THINK, NEWLINE, *[LETTER] * 8, *CLOSING, UNTHINK, LETTER]
    assert state.thought_tokens == 11


def test_a_small_budget_has_no_closing_message() -> None:
    written, _ = play(machine(4), [LETTER] * 8, 8)
    assert written[:5] == [THINK, NEWLINE, LETTER, LETTER, UNTHINK]


def test_grace_ends_the_thought_at_a_sentence() -> None:
    choices = [LETTER] * 17 + [DOT] + [LETTER] * 10
    written, forced = play(machine(20, grace=0.2), choices, 28)
    at = written.index(UNTHINK)
    assert written[at - 1] == DOT and at == 18 and forced[at] and not forced[at - 1]
    without, _ = play(machine(20, grace=0.0), choices, 28)
    assert without.index(UNTHINK) == 20


def test_max_tokens_below_the_budget_keeps_the_reserve() -> None:
    written, _ = play(machine(1000, most=30, reserve=10), [LETTER] * 30, 30)
    assert len(written) - written.index(UNTHINK) - 1 == 10
    written, _ = play(machine(UNLIMITED, most=30, reserve=50), [LETTER] * 30, 30)
    assert written[:2] == [THINK, UNTHINK]


def test_an_end_inside_the_thought_becomes_its_close() -> None:
    written, forced = play(machine(), [LETTER, LETTER, LETTER, END, LETTER, END], 10)
    assert written[2:] == [LETTER, UNTHINK, LETTER, END] and forced[3]


def test_a_thought_in_the_prompt_counts() -> None:
    state = machine(4, prompt=(AI, THINK, LETTER, LETTER))
    written, _ = play(state, [LETTER] * 5, 5)
    assert written[:2] == [LETTER, UNTHINK] and state.thought_tokens == 3
    closed = machine(2, prompt=(AI, THINK, LETTER, LETTER, LETTER))
    assert closed.take(LETTER) == (UNTHINK, True)
    assert machine(4, prompt=(AI, THINK, LETTER, UNTHINK)).take(LETTER) == (LETTER, False)


def test_an_older_turns_thought_does_not_count() -> None:
    state = machine(prompt=(AI, THINK, LETTER, UNTHINK, LETTER, END, AI))
    assert state.take(LETTER) == (THINK, True)


@pytest.mark.parametrize(
    ("limits", "word"),
    [((-2, 9, 0, 0.1), "-2"), ((1, 0, 0, 0.1), "0"), ((1, 9, -1, 0.1), "-1"), ((1, 9, 0, float("nan")), "nan")],
)
def test_values_out_of_range_are_named(limits, word) -> None:
    with pytest.raises(InputError, match=word):
        Limits(*limits)


def test_no_room_for_an_answer_is_an_input_error() -> None:
    with pytest.raises(InputError, match="max_tokens: 2"):
        machine(most=2)


@given(st.text(min_size=1, max_size=5), st.integers(0, 3))
def test_missing_counts_the_bytes_of_an_open_character(string, cut) -> None:
    try:
        whole = string.encode()
    except UnicodeEncodeError:
        return
    last = len(string[-1].encode())
    cut = min(cut, last - 1)
    assert missing(whole[: len(whole) - cut]) == cut


def test_marks_of_a_tokenizer(tokenizer: chat.Tokenizer) -> None:
    marks = Marks.of(tokenizer)
    ids = tokenizer.encode("\u4e2d.a \u3002\n")
    assert b"".join(marks.content[number] for number in ids).decode() == "\u4e2d.a \u3002\n"
    assert marks.sentence == {tokenizer.encode(".")[0], *(tokenizer.encode(c)[0] for c in "!?;\n")}
    assert tokenizer.id(chat.THINK_SWITCH) in marks.forbidden(State.ANSWERING)
    assert marks.end in marks.forbidden(State.OPENED) and marks.unthink[0] not in marks.forbidden(State.COUNTING)
