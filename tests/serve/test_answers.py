"""What a request may ask of its answer: stop strings, a schema, penalties, log-probabilities, and text as it grows."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema_rs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis import chat
from lapis.model.decoder import Decoder
from lapis.serve.budget import token_bytes
from lapis.serve.engine import Engine
from lapis.serve.errors import DecodeTooLong
from lapis.serve.grammar import Grammars
from lapis.serve.job import Reader
from lapis.serve.text import Answer, Text
from lapis.types import InputError
from tests.serve.ask import ask


@pytest.fixture(scope="module")
def engine(decoder: Decoder, tokenizer: chat.Tokenizer) -> Engine:
    return Engine(decoder, tokenizer, slots=8, length=256)


WRITTEN = ["a\u4e2d", "b<", "stop", ">c"]


def streamed(tokenizer: chat.Tokenizer, pieces: list[str], stops: tuple[str, ...]) -> list[str]:
    """What comes out after each byte of the pieces, and at the end."""
    answer, ids = Answer(token_bytes(tokenizer), stops), tokenizer.encode("".join(pieces))
    return [*(answer.add(ids[: count + 1]) for count in range(len(ids))), answer.rest()]


def test_a_stop_string_never_shows_not_even_its_beginning(tokenizer: chat.Tokenizer) -> None:
    out = streamed(tokenizer, WRITTEN, ("<stop>", "never"))
    assert "".join(out) == "a\u4e2db" and out[-1] == ""
    assert "".join(streamed(tokenizer, WRITTEN, ("<stops",))) == "".join(WRITTEN)
    held = streamed(tokenizer, ["ab"], ("abc",))
    assert held == ["", "", "ab"]


@given(st.text("abc", max_size=12), st.lists(st.text("abc", min_size=1, max_size=3), max_size=3))
def test_streamed_text_is_the_text_up_to_the_first_stop(text: str, stops: list[str]) -> None:
    content = tuple(bytes([number]) for number in range(128))
    answer, ids = Answer(content, stops), list(text.encode())
    got = "".join(answer.add(ids[: count + 1]) for count in range(len(ids))) + answer.rest()
    ends = [text[:end] for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    whole = ends[0] if ends else text
    assert got == (min((whole[: whole.find(s)] for s in stops if s in whole), key=len) if ends else text)


def test_streamed_characters_are_not_cut(tokenizer: chat.Tokenizer) -> None:
    written, ids = Text(token_bytes(tokenizer)), tokenizer.encode("a\u4e2d\U0001f600b")
    pieces = [written.add(ids[: count + 1]) for count in range(len(ids))]
    assert [piece for piece in pieces if piece] == ["a", "\u4e2d", "\U0001f600", "b"]
    assert written.add([*ids, ids[1]]) == "" and written.rest() == "\ufffd"


def test_a_stop_string_ends_the_answer_but_not_the_thought(engine: Engine) -> None:
    request = ask("go", think=True, temperature=1.5, seed=3, max_tokens=120, reserve=60, budget=40)
    (free,) = engine.generate([request])
    answer = free.text.encode()
    stop = next(
        answer[at : at + 2].decode()
        for at in range(5, len(answer) - 2)
        if answer[at : at + 2].isascii() and answer[at : at + 2].decode() not in free.text[:5]
    )
    inside = free.thought[2:4]
    (got,) = engine.generate([ask("go", **{**_fields(request), "stop": (stop,)})])
    assert got.finish == "stop" and got.text == free.text[: free.text.find(stop)] and got.thought == free.thought
    (kept,) = engine.generate([ask("go", **{**_fields(request), "stop": (inside, "\u2603")})])
    assert kept.thought == free.thought and kept.closed and len(kept.token_ids) > 40


def _fields(request: Any) -> dict[str, Any]:
    names = ("think", "temperature", "seed", "max_tokens", "reserve", "budget")
    return {name: getattr(request, name) for name in names}


def test_deltas_add_up_to_the_completion(engine: Engine) -> None:
    for seed in range(4):
        request = ask("go", think=seed % 2 == 0, temperature=1.5, seed=seed, max_tokens=40, reserve=10, stop=("q",))
        (job,) = engine._begin([request])
        reader, thought, text, tokens = Reader(job), "", "", 0
        while not job.finish:
            engine.session.step(64)
            new = reader.read()
            thought, text, tokens = thought + new[0], text + new[1], tokens + new[2]
        done = job.completion(engine.tokenizer)
        assert (thought, text, tokens) == (done.thought, done.text, len(done.token_ids))


SCHEMAS = [
    {"type": "object", "properties": {"a": {"enum": ["click", "type"]}, "x": {"type": "integer", "maximum": 1000}},
     "required": ["a", "x"], "additionalProperties": False},
    {"type": "array", "items": {"type": "string"}, "minItems": 2},
    {"properties": {"deep": {"properties": {"t": {"type": "string", "minLength": 4}}, "required": ["t"]}}},
    {"enum": ["one", "a longer one"]},
    {},
]  # fmt: skip


def test_a_schema_is_kept_and_the_answer_finished_within_any_length(engine: Engine) -> None:
    @settings(max_examples=30, deadline=None)
    @given(
        st.sampled_from(SCHEMAS), st.integers(0, 60), st.integers(0, 99), st.booleans(), st.integers(-1, 20),
        st.sampled_from([0.0, 1.5]),
    )  # fmt: skip
    def check(schema: Any, more: int, seed: int, think: bool, budget: int, temperature: float) -> None:
        text = json.dumps(schema)
        least = len(Grammars(engine.tokenizer).of(text).ending) + 2 * think
        fields = {"schema": text, "seed": seed, "think": think, "budget": budget, "temperature": temperature}
        (got,) = engine.generate([ask("q", max_tokens=least + more, **fields)])
        jsonschema_rs.validate(schema, json.loads(got.text))
        assert got.finish == "stop" and (budget < 0 or got.thought_tokens <= budget)
        with pytest.raises(DecodeTooLong, match=f"expected at least {least}"):
            engine.generate([ask("q", max_tokens=least - 1, **fields)])

    check()


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ("{nan", "no JSON schema"),
        ("[1]", "list, expected a JSON object"),
        ('{"type": "nosuch"}', "nosuch"),
        ('{"$ref": "#/x"}', "/x"),
        ('{"type": "string", "minLength": 5000}', "1024 tokens"),
        ('{"a": "' + "x" * (1 << 16) + '"}', "expected at most 65536"),
        ("[" * 5000 + "]" * 5000, "no JSON schema"),
    ],
)
def test_a_schema_that_cannot_be_kept_is_one_clear_line(engine: Engine, schema: str, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        engine.generate([ask("q", schema=schema)])
    assert "\n" not in str(caught.value) and str(caught.value).startswith("schema: ")


def test_penalties_are_those_of_their_formulas(engine: Engine, tokenizer: chat.Tokenizer) -> None:
    (plain,) = engine.generate([ask("aaa", max_tokens=30)])
    fields = {"repetition_penalty": 1.3, "frequency_penalty": 0.7, "presence_penalty": 0.4}
    (got,) = engine.generate([ask("aaa", max_tokens=30, **fields)])
    assert got.token_ids != plain.token_ids
    ids, model = list(got.prompt_ids), engine.decoder
    for place, token in enumerate(got.token_ids):
        logits_V = model.logits(model(model.embed(torch.tensor([ids])), torch.arange(len(ids))[None])[0, -1])
        for other in set(ids):
            logits_V[other] *= 1 / 1.3 if logits_V[other] > 0 else 1.3
        reply = got.token_ids[:place]
        for other in set(reply):
            logits_V[other] -= 0.7 * reply.count(other) + 0.4
        job = engine.job(ask("aaa"))
        state = job.machine.state if not place else type(job.machine.state).ANSWERING
        logits_V += engine.bias_SV[state]
        assert token == int(logits_V.argmax())
        ids.append(token)


def test_the_likeliest_tokens_are_told_beside_the_written_one(engine: Engine) -> None:
    (got,) = engine.generate([ask("hm", top_logprobs=3, max_tokens=6, temperature=1.0)])
    assert len(got.top_logprobs) == len(got.token_ids)
    for told, token, logprob in zip(got.top_logprobs, got.token_ids, got.logprobs, strict=True):
        values = [value for _, value in told]
        assert len(told) == 3 and values == sorted(values, reverse=True) and logprob <= values[0] + 1e-6
        assert dict(told).get(token, logprob) == pytest.approx(logprob, abs=1e-5) and math.isfinite(values[-1])
    assert engine.generate([ask("hm")])[0].top_logprobs == ()
