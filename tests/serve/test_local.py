"""The engine behind an event loop: streams, cancels, refusals, images looked at early, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from lapis import chat
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.backend import Backend, Delta, Full
from lapis.serve.engine import Engine
from lapis.serve.errors import MemoryFault, PromptTooLong, Released
from lapis.serve.features import Features
from lapis.serve.local import Local
from lapis.types import Completion, Image, InputError, Request
from tests.serve.ask import ask, picture


async def whole(stream: AsyncIterator[Delta]) -> tuple[str, str, int, Completion]:
    """All of a stream's thought, text and tokens, and its completion."""
    deltas = [delta async for delta in stream]
    assert all(delta.completion is None for delta in deltas[:-1]) and deltas[-1].completion is not None
    done = deltas[-1].completion
    return "".join(d.thought for d in deltas), "".join(d.text for d in deltas), sum(d.tokens for d in deltas), done


def served(engine: Engine, work: Callable[[Local], Awaitable[Any]], **how: Any) -> Any:
    async def run() -> Any:
        local = Local(engine, "m", **how)
        try:
            return await asyncio.wait_for(work(local), 60)
        finally:
            await local.close(0)

    return asyncio.run(run())


def test_streams_are_what_generate_gives(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    asked = [
        ask("one", think=True, temperature=1.2, seed=5, max_tokens=40),
        ask(picture(9), "two", max_tokens=30),
        ask(picture(9), "two", temperature=1.0, seed=1),
        ask("x" * 150, max_tokens=20, stop=("a",)),
    ]
    expected = [Engine(lapis, tokenizer, length=256).generate([request])[0] for request in asked]

    async def work(local: Backend) -> Any:
        got = await asyncio.gather(*(whole(local.submit(request)) for request in asked))
        return got, local.load()

    got, load = served(Engine(lapis, tokenizer, slots=4, length=256, features=Features(1 << 20)), work)
    for (thought, text, tokens, done), known in zip(got, expected, strict=True):
        assert done.token_ids == known.token_ids and (thought, text) == (known.thought, known.text)
        assert tokens == len(known.token_ids)
    assert load.live == 0 == load.cache_used and load.images == 1
    assert load.written_tokens == sum(len(known.token_ids) for known in expected) and load.shared_tokens > 0


def test_a_closed_iterator_frees_its_slot(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    async def work(local: Local) -> None:
        for _ in range(20):
            stream = local.submit(ask("for ever", max_tokens=200))
            assert (await anext(stream)).tokens
            await stream.aclose()
        assert (await whole(local.submit(ask("after"))))[3].finish in ("stop", "length")
        assert local.load().live == local.load().waiting == 0 and local.load().cache_used == 0

    served(Engine(decoder, tokenizer, slots=1, length=256), work)


def test_past_the_queue_a_request_is_refused_and_the_others_are_answered(
    decoder: Decoder, tokenizer: chat.Tokenizer
) -> None:
    async def work(local: Local) -> list[Any]:
        streams = [whole(local.submit(ask(f"n {number}", max_tokens=60))) for number in range(5)]
        return await asyncio.gather(*streams, return_exceptions=True)

    got = served(Engine(decoder, tokenizer, slots=1, length=128), work, queue=2)
    assert [isinstance(one, Full) for one in got] == [False] * 3 + [True] * 2


def test_bad_requests_are_told_and_harm_nobody(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    bad: list[Request] = [ask("x" * 500), ask("x", temperature=-1.0), ask(Image(b"none", 9, 9), "?")]

    async def work(local: Local) -> list[Any]:
        streams = [whole(local.submit(request)) for request in (ask("good"), *bad)]
        got = await asyncio.gather(*streams, return_exceptions=True)
        with pytest.raises(InputError):
            await local.prepare(Image(b"none", 9, 9))
        return [*got, local.load()]

    good, *faults, load = served(Engine(lapis, tokenizer, slots=2, length=256), work)
    assert good[3].token_ids and load.live == load.waiting == 0
    assert isinstance(faults[0], PromptTooLong) and all(isinstance(fault, InputError) for fault in faults)


def test_an_image_is_looked_at_before_the_question(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    wide = picture(90, width=150)

    async def work(local: Local) -> tuple[int, int, int]:
        tiles, again = await asyncio.gather(local.prepare(wide), local.prepare(wide))
        before = local.load().images
        await whole(local.submit(ask(wide, "?")))
        return tiles, before, local.load().images

    engine = Engine(lapis, tokenizer, slots=2, length=256, features=Features(1 << 20))
    assert served(engine, work) == (engine.tiles(wide), 1, 1)


def test_features_keep_to_their_memory(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(lapis, tokenizer, slots=2, length=256)
    sizes = [sum(part.nbytes for part in engine.encode(picture(red))) for red in (1, 2, 3)]
    kept = Features(sum(sizes[:2]))
    for red in (1, 2):
        kept[picture(red).data] = next(engine.encode(picture(red)))
    assert kept[picture(1).data] is not None and picture(1).data in kept
    kept[picture(3).data] = next(engine.encode(picture(3)))
    assert picture(2).data not in kept and picture(1).data in kept and kept.bytes == kept.limit and len(kept) == 2
    kept[b"huge"] = next(engine.encode(picture(3))).repeat(9, 1)
    assert len(kept) == kept.bytes == 0


def test_close_lets_finish_what_runs_within_its_grace(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    async def work(grace: float) -> tuple[Any, Local]:
        local = Local(Engine(decoder, tokenizer, slots=1, length=256), "m")
        stream = local.submit(ask("run", max_tokens=200))
        first = await anext(stream)
        rest, _ = await asyncio.gather(whole(stream), local.close(grace))
        assert first.tokens == 1
        with pytest.raises(Released):
            await anext(local.submit(ask("late")))
        return rest[3], local

    done, _ = asyncio.run(work(60))
    assert done.finish != "cancelled" and (len(done.token_ids) == 200 or done.finish == "stop")
    cut, local = asyncio.run(work(0))
    assert cut.finish == "cancelled" and len(cut.token_ids) < 200 and not local._thread.is_alive()


def test_a_fault_of_ours_reaches_those_who_wait(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=2, length=128)

    async def work(local: Local) -> None:
        forward, engine.forward = engine.forward, lambda pieces: 1 / 0  # type: ignore
        with pytest.raises(ZeroDivisionError):
            await whole(local.submit(ask("a")))
        engine.forward = forward  # type: ignore[method-assign]
        assert (await whole(local.submit(ask("b"))))[3].token_ids

    served(engine, work)


def test_a_cache_that_cannot_be_made_is_told_at_once(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    with pytest.raises(MemoryFault):
        Local(Engine(decoder, tokenizer, tokens=1 << 50), "m")
