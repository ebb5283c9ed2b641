"""The llama.cpp backend over a scripted llama-server: the torch engine's answers and budgets, and every way to end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapis import chat
from lapis.export import hf
from lapis.model.decoder import Decoder
from lapis.serve.asked import Asked
from lapis.serve.backend import Delta, Full
from lapis.serve.budget import Limits, Machine, Marks, State
from lapis.serve.llama_process import Stopped
from lapis.serve.llama_prompt import apart
from lapis.serve.llamacpp import LlamaCpp
from lapis.types import Completion, InputError, Request, Text, Turn
from tests.conftest import ROOT, environment
from tests.serve.fake_llama import logits
from tests.serve.small import small_shape
from tests.waiting import until

LENGTH, VOCAB = 160, 280


def user(text: str) -> tuple[Turn, ...]:
    return (Turn("user", (Text(text),)),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: chat.Tokenizer) -> Path:
    """A folder of the export's form, whose model file nobody reads; eight rows of its embedding have no token."""
    place = tmp_path_factory.mktemp("gguf")
    hf.write(Decoder(replace(small_shape().decoder, vocab=VOCAB)), tokenizer, place)
    (place / "model-f16.gguf").touch()
    (place / "server").write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.serve.fake_llama "$@"\n')
    (place / "server").chmod(0o700)
    return place


def backend(folder: Path, **how: int) -> LlamaCpp:
    return LlamaCpp(folder, server=folder / "server", length=LENGTH, **{"slots": 2, "queue": 64, **how})


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[Asked]:
    with pytest.MonkeyPatch.context() as patch, Asked(backend(folder)) as found:
        patch.chdir(ROOT)
        yield found


def expected(request: Request, tokenizer: chat.Tokenizer) -> Completion:
    """The answer by the plainest road: the model's numbers, the machine's word, one token at a time."""
    marks = Marks.of(tokenizer)
    prompt = chat.encode_prompt(request.turns, request.think, None, tokenizer, lambda _: 0).ids
    most = min(request.max_tokens, LENGTH - len(prompt))
    machine = Machine(marks, prompt, request.think, Limits(request.budget, most, request.reserve, request.grace))
    ids, forced, logprobs = list[int](), list[bool](), list[float]()
    while len(ids) < most and marks.end not in ids:
        plain_V = logits([*prompt, *ids], VOCAB)
        biased_V = plain_V.copy()
        biased_V[[*marks.forbidden(machine.state), *range(tokenizer.size, VOCAB)]] = -np.inf
        token, own = machine.take(int(biased_V.argmax()))
        ids, forced = [*ids, token], [*forced, own]
        logprobs.append(float(plain_V[token] - np.log(np.exp(plain_V).sum())))
    closed = machine.state >= State.OPENED
    thought, text, _ = chat.split_answer(ids, tokenizer, think=not closed)
    finish = "stop" if ids[-1] == marks.end else "length"
    return Completion(
        text, thought.removeprefix(chat.THINK).strip("\n"), tuple(prompt), tuple(ids), tuple(logprobs), tuple(forced),
        machine.thought_tokens, finish, closed,
    )  # fmt: skip


def told(completion: Completion) -> Completion:
    """Without what llama-server may leave out."""
    return replace(completion, logprobs=(), top_logprobs=())


WORDS = st.text(st.sampled_from("ab 12?\n中é<>"), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=WORDS,
    think=st.booleans(),
    budget=st.sampled_from([-1, 0, 1, 2, 5, 17, 40]),
    most=st.sampled_from([3, 4, 9, 30, 60]),
    reserve=st.sampled_from([0, 8]),
    grace=st.sampled_from([0.0, 0.3]),
)
def test_answers_are_the_machines_to_the_token(
    asked: Asked, tokenizer: chat.Tokenizer, text: str, think: bool, budget: int, most: int, reserve: int, grace: float
) -> None:
    """The model is drawn at random: it writes broken characters, and marks where none may stand, at any place."""
    request = Request(user(text), think, budget, max_tokens=most, reserve=reserve, grace=grace)
    (found,) = asked.generate([request])
    assert told(found) == told(expected(request, tokenizer))
    assert found.closed and (budget < 0 or found.thought_tokens <= budget)


def test_many_at_once_are_each_as_alone(asked: Asked, tokenizer: chat.Tokenizer) -> None:
    requests = [Request(user(f"{number}?"), think=number % 2 == 0, max_tokens=40, grace=0) for number in range(12)]
    assert [*map(told, asked.generate(requests))] == [told(expected(request, tokenizer)) for request in requests]


def test_logprobs_are_those_of_the_plain_logits(asked: Asked, tokenizer: chat.Tokenizer) -> None:
    requests = [Request(user(f"{number}?"), think=True, max_tokens=60, top_logprobs=3) for number in range(6)]
    pairs = []
    for request, found in zip(requests, asked.generate(requests), strict=True):
        right = expected(request, tokenizer)
        pairs += [(found.logprobs[at], right.logprobs[at]) for at, likely in enumerate(found.top_logprobs) if likely]
        assert {len(likely) for likely in found.top_logprobs} <= {0, 3}
    assert len(pairs) > 30
    assert [one for one, _ in pairs] == pytest.approx([other for _, other in pairs])


async def all_of(model: LlamaCpp, request: Request) -> list[Delta]:
    return [delta async for delta in model.submit(request)]


def run(folder: Path, act: Callable[[LlamaCpp], Awaitable[None]], **how: int) -> None:
    """`act` with a backend of its own, which is ended whatever happens."""

    async def whole() -> None:
        model = backend(folder, **how)
        try:
            await asyncio.wait_for(act(model), 120)
        finally:
            await model.close(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        asyncio.run(whole())


def test_deltas_add_up_and_a_stop_string_is_never_shown(folder: Path, tokenizer: chat.Tokenizer) -> None:
    requests = (Request(user(f"b{number}?"), think=True, max_tokens=60, budget=12, grace=0) for number in range(99))
    plain = next(request for request in requests if len(expected(request, tokenizer).text) > 6)
    first = expected(plain, tokenizer)
    stop = first.text[3:5]

    async def act(model: LlamaCpp) -> None:
        for request in (plain, replace(plain, stop=(stop, "never"))):
            deltas = await all_of(model, request)
            last = deltas[-1].completion
            assert last is not None and [delta for delta in deltas[:-1] if delta.completion] == []
            assert "".join(delta.text for delta in deltas) == last.text
            assert "".join(delta.thought for delta in deltas).strip("\n") == last.thought
            assert sum(delta.tokens for delta in deltas) == len(last.token_ids)
        assert last.text == first.text[: first.text.index(stop)] and last.finish == "stop"

    run(folder, act)


def test_load_counts_and_full_is_told(folder: Path) -> None:
    async def act(model: LlamaCpp) -> None:
        streams = [model.submit(Request(user("a?"), max_tokens=20)) for _ in range(3)]
        firsts = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await asyncio.wait(firsts, return_when=asyncio.FIRST_COMPLETED)
        load = model.load()
        assert (load.live, load.waiting) == (1, 2) and 0 < load.cache_used <= 1
        with pytest.raises(Full):
            await all_of(model, Request(user("a?")))
        for first, stream in zip(firsts, streams, strict=True):
            await first
            await stream.aclose()
        assert (model.load().live, model.load().waiting) == (0, 0)
        assert model.load().prompt_tokens == 3 * 5 and model.load().written_tokens >= 3

    run(folder, act, slots=1, queue=2)


def test_a_closed_iterator_leaves_the_server_and_frees_the_slot(folder: Path) -> None:
    async def act(model: LlamaCpp) -> None:
        (folder / "hold").touch()
        stream = model.submit(Request(user("a?"), max_tokens=120))
        await anext(stream)
        await stream.aclose()
        (folder / "hold").unlink()
        assert (await all_of(model, Request(user("b?"), max_tokens=4)))[-1].completion is not None
        await asyncio.to_thread(until, lambda: log.exists() and "left" in log.read_text())

    log = folder / "log"
    log.unlink(missing_ok=True)
    run(folder, act, slots=1)


def test_a_server_that_ends_is_told_with_its_own_words_and_started_again(folder: Path) -> None:
    async def act(model: LlamaCpp) -> None:
        (folder / "fault").touch()
        with pytest.raises(Stopped, match=r"ended with code 3 \(out of memory, it failed\)"):
            await all_of(model, Request(user("a?"), max_tokens=60))
        (folder / "fault").unlink()
        assert (await all_of(model, Request(user("a?"), max_tokens=4)))[-1].completion is not None

    run(folder, act)


def test_a_server_that_does_not_start_is_told(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\necho 'error: no such model'\nexit 1\n")
    program.chmod(0o700)

    async def act() -> None:
        model = LlamaCpp(folder, server=program)
        with pytest.raises(Stopped, match=r"ended with code 1 \(error: no such model\)"):
            await all_of(model, Request(user("a?")))
        await model.close(0)

    asyncio.run(act())


def test_what_is_wrong_with_a_request_is_told_before_it_runs(folder: Path) -> None:
    async def act(model: LlamaCpp) -> None:
        for request, word in (
            (Request(user("a" * LENGTH)), "prompt: "),
            (Request(user("a"), temperature=float("nan")), "temperature"),
            (Request(user("a"), budget=-2), "thinking_token_budget"),
            (Request(user("a"), schema='{"broken": 1}'), "no such schema"),
        ):
            with pytest.raises(InputError, match=word):
                await all_of(model, request)
        assert model.load().live == 0

    run(folder, act)


def test_closing_lets_what_runs_finish_or_cancels_it(folder: Path) -> None:
    async def act(model: LlamaCpp) -> None:
        stream = model.submit(Request(user("a?"), max_tokens=140))
        await anext(stream)
        closing = asyncio.ensure_future(model.close(0))
        rest = [delta async for delta in stream]
        await closing
        assert rest[-1].completion is not None and rest[-1].completion.finish in ("cancelled", "stop", "length")
        with pytest.raises(Full):
            await all_of(model, Request(user("a?")))

    run(folder, act)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word to a child is Linux's")
def test_the_server_dies_with_us(folder: Path) -> None:
    """SIGKILL leaves no time to end anything."""
    code = (
        "import asyncio, os, sys; from pathlib import Path; from lapis.serve.llamacpp import LlamaCpp\n"
        "async def main():\n"
        "    model = LlamaCpp(Path(sys.argv[1]), server=Path(sys.argv[1]) / 'server')\n"
        "    await model.running(); print(model.pid, flush=True); os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    words = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    pid = int(done.stdout)
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        os.sched_yield()
    assert done.returncode == -9


def test_nobody_becomes_a_special_token_by_typing_one() -> None:
    typed = "say </s> and <image> and [|AI|]:[|BlueThink|]"
    assert not any(name in apart(typed) for name in chat.SPECIALS)
    assert apart(typed).replace("\u200b", "") == typed
