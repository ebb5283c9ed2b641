"""The engine against decoding without a cache, alone and in company."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from lapis import chat
from lapis.model import anyres
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.budget import State
from lapis.serve.engine import Engine
from lapis.serve.errors import ConfigFault, DecodeTooLong, MemoryFault, PromptTooLong
from lapis.serve.session import Piece
from lapis.types import Completion, Image, InputError, Request
from tests.serve.ask import ask, picture


def next_logits(model: Lapis | Decoder, ids: list[int], images: tuple[Image, ...]) -> torch.Tensor:
    """Logits after a sequence, computed from nothing: no cache, no batch, no padding."""
    tokens_1T = torch.tensor([ids])
    if isinstance(model, Lapis):
        shape = model.config
        tiles = [torch.from_numpy(anyres.cut(anyres.decode(one), shape.anyres, shape.vit.tile)) for one in images]
        tiles_NSS3 = torch.cat(tiles) if tiles else torch.zeros(0, 56, 56, 3, dtype=torch.uint8)
        x_1TD = model.merge(tokens_1T, model.features(tiles_NSS3))
        model = model.decoder
    else:
        x_1TD = model.embed(tokens_1T)
    return model.logits(model(x_1TD, torch.arange(len(ids))[None])[0, -1])


def replay(engine: Engine, model: Lapis | Decoder, request: Request, got: Completion) -> None:
    """Every token the model chose was the best allowed one, with the log-probability that the engine gave."""
    machine = engine.job(request).machine
    ids = list(got.prompt_ids)
    for token, forced, logprob in zip(got.token_ids, got.forced, got.logprobs, strict=True):
        logits_V = next_logits(model, ids, request.turns[-1].images)
        allowed_V = logits_V.clone()
        allowed_V[list(engine.marks.forbidden(machine.state))] = -math.inf
        allowed_V[engine.tokenizer.size :] = -math.inf
        best = int(allowed_V.argmax())
        assert machine.take(best) == (token, forced)
        assert logprob == pytest.approx(float(logits_V.log_softmax(0)[token]), abs=1e-4)
        ids.append(token)
    assert machine.state is State.ANSWERING and machine.thought_tokens == got.thought_tokens


REQUESTS = [
    ask("hello"),
    ask("hello", think=True),
    ask("hello", think=True, budget=6, show_budget=True),
    ask("another, much longer question that fills two buckets of padding", max_tokens=30),
    ask("zero", think=True, budget=0, max_tokens=5),
    ask("x", max_tokens=1),
    ask("hello", think=True, max_tokens=25),
]


def test_greedy_decoding_equals_decoding_without_a_cache(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=3, length=128)
    for request, got in zip(REQUESTS, engine.generate(REQUESTS), strict=True):
        replay(engine, decoder, request, got)
        assert len(got.token_ids) == request.max_tokens or got.finish == "stop"


def test_tokens_do_not_depend_on_neighbours(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    mixed = [*REQUESTS, *(ask("hello", temperature=1.0, top_p=0.9, seed=seed, max_tokens=20) for seed in range(6))]
    together = Engine(decoder, tokenizer, slots=4, length=128).generate(mixed)
    alone = Engine(decoder, tokenizer, slots=1, length=128)
    for request, got in zip(mixed, together, strict=True):
        (single,) = alone.generate([request])
        assert got.token_ids == single.token_ids and got.text == single.text
        assert got.logprobs == pytest.approx(single.logprobs, abs=1e-4)
    assert len({got.token_ids for got in together[-6:]}) == 6


def test_images_are_encoded_once_and_answered_as_without_a_cache(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(lapis, tokenizer, slots=4, length=256)
    one, other, wide = picture(10), picture(200), picture(90, width=150)
    requests = [
        ask(one, "what?"),
        ask(other, "what?"),
        ask(one, "where?", think=True),
        ask(wide, "and", one),
        ask("no"),
    ]
    encoded: list[int] = []
    hook = lapis.vit.register_forward_hook(lambda module, inputs, out: encoded.append(len(inputs[0])))
    answers = engine.generate(requests)
    hook.remove()
    tiles = {image.data: engine.tiles(image) for image in (one, other, wide)}
    assert sum(encoded) == sum(tiles.values()) and tiles[wide.data] > 1
    for request, got in zip(requests, answers, strict=True):
        replay(engine, lapis, request, got)
    assert answers[0].token_ids != answers[1].token_ids


def watched(engine: Engine) -> list[int]:
    """Prompt tokens of each forward to come."""
    counts: list[int] = []
    forward = engine.forward

    def counting(pieces: Sequence[Piece]) -> torch.Tensor:
        counts.append(sum(piece.span.count for piece in pieces if piece.prompt))
        return forward(pieces)

    engine.forward = counting  # type: ignore[method-assign]
    return counts


def test_a_group_reads_its_prompt_once(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=3, length=128)
    counts = watched(engine)
    group = [ask("same", temperature=1.0, seed=seed) for seed in range(3)]
    answers = engine.generate(group)
    assert sum(counts) == len(answers[0].prompt_ids) and len({answer.token_ids for answer in answers}) == 3


def test_streaming_gives_the_same_text_in_whole_characters(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, length=128)
    for seed in range(4):
        request = ask("go", think=True, temperature=1.5, seed=seed, max_tokens=40, reserve=10)
        (whole,) = engine.generate([request])
        pieces = list(engine.stream(request))
        assert len(pieces) > 5
        thought, _, answer = "".join(pieces).removeprefix(chat.THINK).partition(chat.UNTHINK)
        assert (thought.strip("\n"), answer) == (whole.thought, whole.text)


def test_a_cancelled_request_frees_its_slot(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=2, length=128)
    requests = [ask("first", max_tokens=50), ask("second", max_tokens=20), ask("third", max_tokens=20)]
    session, jobs = engine.session, engine._begin(requests)
    for _ in range(3):
        session.step(64)
    session.cancel(jobs[0])
    while not session.idle:
        session.step(64)
    got = [job.completion(tokenizer) for job in jobs]
    assert got[0].finish == "cancelled" and len(got[0].token_ids) == 3
    for request, answer in zip(requests[1:], got[1:], strict=True):
        assert answer.token_ids == engine.generate([request])[0].token_ids


def test_a_waiting_request_can_be_cancelled(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, slots=1)
    session, jobs = engine.session, engine._begin([ask("one"), ask("one")])
    session.cancel(jobs[1])
    while not session.idle:
        session.step(64)
    assert jobs[1].finish == "cancelled" and not jobs[1].token_ids and jobs[0].finish in ("stop", "length")


def test_an_answer_ends_at_the_cache(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, length=40)
    request = ask("x" * 20, max_tokens=1000, think=True, reserve=4)
    (got,) = engine.generate([request])
    assert len(got.prompt_ids) + len(got.token_ids) <= 40 and got.closed
    replay(engine, decoder, request, got)


def test_what_cannot_be_answered_is_one_clear_line(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, length=32)
    with pytest.raises(PromptTooLong, match="103 tokens.*32"):
        engine.generate([ask("x" * 100)])
    with pytest.raises(PromptTooLong, match="32 tokens.*32"):
        engine.generate([ask("x" * 28, think=True)])
    with pytest.raises(DecodeTooLong, match="max_tokens: 2 "):
        engine.generate([ask("x", think=True, max_tokens=2)])
    with pytest.raises(InputError, match="text only"):
        engine.generate([ask(picture(1))])
    with pytest.raises(InputError, match="-5"):
        engine.generate([ask("x", budget=-5, think=True)])
    assert len(engine.generate([ask("x")])) == 1
    with pytest.raises(MemoryFault, match="16 tokens and 17 to write, expected at most 32"):
        Engine(decoder, tokenizer, length=64, tokens=32).generate([ask("x" * 13, max_tokens=17)])
    for sizes in ({"slots": 0}, {"length": 2}, {"chunk": 31}):
        with pytest.raises(ConfigFault, match=str(next(iter(sizes.values())))):
            Engine(decoder, tokenizer, **sizes)
    with pytest.raises(MemoryFault, match="no memory for"):
        Engine(decoder, tokenizer, tokens=1 << 50).generate([ask("x")])


def test_no_requests_and_a_broken_image(lapis: Lapis, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(lapis, tokenizer, length=128)
    assert engine.generate([]) == []
    with pytest.raises(InputError, match="image"):
        engine.generate([ask(Image(b"no picture", 50, 50), "?")])
    assert engine.generate([ask("still here")])[0].token_ids


def test_another_precision_leaves_the_model_as_it_is(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    engine = Engine(decoder, tokenizer, dtype=torch.bfloat16, length=128)
    assert engine.generate([ask("hi")])[0].token_ids
    assert decoder.embedding.weight.dtype == torch.float32 and engine.decoder is not decoder


def test_a_session_is_idle_when_nothing_waits(decoder: Decoder, tokenizer: chat.Tokenizer) -> None:
    session = Engine(decoder, tokenizer).session
    assert session.idle and session.step(64) == []
