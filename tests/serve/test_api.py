"""The server as the stock `openai` client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion

from lapis.types import Image, Text
from tests.serve.scripted import BROKEN, SECRET, THOUGHT, WRONG, Scripted, Served, data_uri, png, serving

CLICK = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "at": {"$ref": "#/$defs/Place"}},
    "$defs": {"Place": {"type": "string"}},
}
TOOLS: Any = [
    {"type": "function", "function": {"name": "click", "description": "touch the screen", "parameters": CLICK}},
    {"type": "function", "function": {"name": "wait"}},
]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(Scripted()) as found:
        yield found


@pytest.fixture(scope="module")
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url + "/v1", api_key="none", max_retries=0)


def ask(client: openai.OpenAI, content: Any = "hello", **fields: Any) -> ChatCompletion:
    messages = fields.pop("messages", [{"role": "user", "content": content}])
    extra = {name: fields.pop(name) for name in ("min_p", "top_k", "repetition_penalty") if name in fields}
    for name in ("thinking_token_budget", "chat_template_kwargs"):
        if name in fields:
            extra[name] = fields.pop(name)
    found = client.chat.completions.create(model="scripted", messages=messages, extra_body=extra, **fields)
    assert isinstance(found, ChatCompletion)
    return found


def test_an_answer_has_its_thought_and_its_usage_apart(client: openai.OpenAI) -> None:
    found = ask(client, thinking_token_budget=20)
    message = found.choices[0].message
    assert (message.content, message.model_extra) == ("olleh", {"reasoning_content": THOUGHT})
    assert found.choices[0].finish_reason == "stop" and found.usage is not None
    details = found.usage.completion_tokens_details
    assert details is not None and details.reasoning_tokens == len(THOUGHT)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (5, len(THOUGHT) + 2 + 5 + 1)
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


def test_a_stream_says_the_same_as_the_whole(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": "hello there"}],
        stream=True,
        n=2,
        seed=4,
        stream_options={"include_usage": True},
        extra_body={"chat_template_kwargs": {"enable_thinking": True}},
    )
    *chunks, last = list(stream)
    assert last.usage is not None and last.choices == []
    assert last.usage.prompt_tokens_details is not None and last.usage.completion_tokens_details is not None
    assert last.usage.prompt_tokens_details.cached_tokens == 1, "what the one of them that read most had to read"
    assert last.usage.completion_tokens_details.reasoning_tokens == 2 * len(THOUGHT)
    for index in (0, 1):
        own = [one.choices[0] for one in chunks if one.choices[0].index == index]
        assert own[0].delta.role == "assistant" and own[-1].finish_reason == "stop"
        assert [one.finish_reason for one in own[:-1]] == [None] * (len(own) - 1)
        assert "".join(one.delta.content or "" for one in own) == "ereht olleh"
        thought = [(one.delta.model_extra or {}).get("reasoning_content", "") for one in own]
        assert "".join(thought) == THOUGHT.replace(" ", "")


def test_fields_reach_the_engine(client: openai.OpenAI, served: Served) -> None:
    given: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.2,
        "top_k": 7,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
    }
    ask(client, seed=11, stop=["!", "?"], max_completion_tokens=40, n=2, thinking_token_budget=9, **given)
    first, second = served.backend.requests[-2:]
    assert {name: getattr(first, name) for name in given} == given
    assert (first.seed, second.seed, first.stop, first.max_tokens) == (11, 12, ("!", "?"), 40)
    assert (first.think, first.budget, first.show_budget, first.reserve) == (True, 9, True, 20)


def test_what_is_not_given_is_greedy_without_a_thought_and_drawn_anew(client: openai.OpenAI, served: Served) -> None:
    ask(client)
    ask(client)
    first, second = served.backend.requests[-2:]
    assert (first.temperature, first.think, first.schema, first.top_logprobs) == (0.0, False, "", 0)
    assert first.seed != second.seed


@pytest.mark.parametrize(
    ("fields", "think", "budget"),
    [
        ({"thinking_token_budget": 0}, True, 0),
        ({"thinking_token_budget": -1}, True, -1),
        ({"thinking_token_budget": 8, "chat_template_kwargs": {"enable_thinking": False}}, False, -1),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True, -1),
        ({"chat_template_kwargs": {}}, False, -1),
        ({"reasoning_effort": "none"}, False, -1),
        ({"reasoning_effort": "low"}, True, 64),
        ({"reasoning_effort": "high"}, True, -1),
    ],
)
def test_thinking(client: openai.OpenAI, served: Served, fields: dict[str, Any], think: bool, budget: int) -> None:
    ask(client, **fields)
    asked = served.backend.requests[-1]
    assert (asked.think, asked.budget) == (think, budget)


def test_logprobs_are_of_the_answers_tokens(client: openai.OpenAI) -> None:
    found = ask(client, "stop here", stop="ts", logprobs=True, top_logprobs=2, thinking_token_budget=5)
    logprobs = found.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    spelled = b"".join(bytes(token.bytes or ()) for token in logprobs.content)
    assert spelled.decode() == found.choices[0].message.content == "ereh po"
    assert {len(token.top_logprobs) for token in logprobs.content} == {2}
    alone = ask(client, "stop here", logprobs=True).choices[0].logprobs
    assert alone is not None and {len(token.top_logprobs) for token in alone.content or ()} == {0}


def test_a_cut_answer_says_so(client: openai.OpenAI) -> None:
    found = ask(client, "hello", max_tokens=3)
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == ("oll", "length")


def test_roles_parts_and_pictures_become_turns(client: openai.OpenAI, served: Served) -> None:
    picture = {"type": "image_url", "image_url": {"url": data_uri(png())}}
    call = {"id": "1", "type": "function", "function": {"name": "click", "arguments": '{"x": 5}'}}
    ask(
        client,
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
            {"role": "user", "content": [{"type": "text", "text": "look: "}, picture]},
            {"role": "assistant", "content": None, "reasoning_content": "hidden", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "done "}, picture]},
            {"role": "user", "content": "and?"},
        ],
    )
    turns = served.backend.requests[-1].turns
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "tool", "user"]
    assert turns[1].parts == (Text("look: "), Image(png(), 40, 30)) and turns[3].parts[1] == Image(png(), 40, 30)
    assert turns[2].text == '{"name": "click", "arguments": {"x": 5}}'
    assert "hidden" not in repr(turns)


def test_an_answer_goes_back_as_it_came(client: openai.OpenAI, served: Served) -> None:
    before = ask(client, thinking_token_budget=20).choices[0].message
    ask(client, messages=[{"role": "user", "content": "hello"}, before, {"role": "user", "content": "more"}])
    turn = served.backend.requests[-1].turns[1]
    assert (turn.role, turn.text, turn.thought) == ("assistant", "olleh", None)


def test_formats_become_schemas(client: openai.OpenAI, served: Served) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    ask(client, response_format={"type": "json_schema", "json_schema": {"name": "it", "schema": schema}})
    assert json.loads(served.backend.requests[-1].schema) == schema
    ask(client, response_format={"type": "json_object"})
    assert json.loads(served.backend.requests[-1].schema) == {"type": "object"}
    ask(client, response_format={"type": "text"})
    assert served.backend.requests[-1].schema == ""


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_read_from_the_answer(client: openai.OpenAI, served: Served, stream: bool) -> None:
    served.backend.says["press"] = '{"name": "click", "arguments": {"x": 7, "at": "é"}}'
    messages: Any = [{"role": "user", "content": "press"}]
    found = client.chat.completions.create(
        model="scripted", messages=messages, tools=TOOLS, tool_choice="required", stream=stream
    )
    if isinstance(found, ChatCompletion):
        assert found.choices[0].message.tool_calls is not None and found.choices[0].message.content is None
        function, finish = found.choices[0].message.tool_calls[0].function, found.choices[0].finish_reason
    else:
        choices = [chunk.choices[0] for chunk in found]
        (call,) = [call for one in choices for call in one.delta.tool_calls or ()]
        function, finish = call.function, choices[-1].finish_reason
        assert "".join(one.delta.content or "" for one in choices) == ""
    assert function is not None and finish == "tool_calls"
    assert (function.name, json.loads(function.arguments or "")) == ("click", {"x": 7, "at": "é"})


def test_tools_are_told_and_bind_the_answer(client: openai.OpenAI, served: Served) -> None:
    served.backend.says["talk"] = '"in words"'
    messages: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "talk"}]
    found = ask(client, messages=messages, tools=TOOLS)
    assert found.choices[0].message.content == "in words" and found.choices[0].finish_reason == "stop"
    asked = served.backend.requests[-1]
    assert [turn.role for turn in asked.turns] == ["system", "user"]
    assert "be brief" in asked.turns[0].text and "touch the screen" in asked.turns[0].text
    click, wait, words = json.loads(asked.schema)["anyOf"]
    assert click["properties"]["name"] == {"const": "click"} and wait["properties"]["name"] == {"const": "wait"}
    reference = click["properties"]["arguments"]["properties"]["at"]["$ref"]
    assert json.loads(asked.schema)["$defs"][reference.removeprefix("#/$defs/")] == {"type": "string"}
    assert words == {"type": "string"}
    ask(client, "x", tools=TOOLS, tool_choice={"type": "function", "function": {"name": "wait"}})
    assert json.loads(served.backend.requests[-1].schema)["properties"]["name"] == {"const": "wait"}
    ask(client, "x", tools=TOOLS, tool_choice="none")
    assert served.backend.requests[-1].schema == "" and len(served.backend.requests[-1].turns) == 1


def test_a_call_that_was_cut_short_is_told_as_words(client: openai.OpenAI, served: Served) -> None:
    served.backend.says["long"] = '{"name": "click", "arguments": {"x": 7}}'
    choice = ask(client, "long", tools=TOOLS, tool_choice="required", max_tokens=21).choices[0]
    assert (choice.message.content, choice.finish_reason) == ('{"name": "click", "ar', "length")
    assert not choice.message.tool_calls


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"temperature": 3.0}, 400, "temperature"),
        ({"temperature": "0.5"}, 400, "temperature"),
        ({"temperatur": 1.0}, 400, "temperatur: not known here"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias: not known here"),
        ({"top_p": 0}, 400, "top_p"),
        ({"n": 0}, 400, "n"),
        ({"n": 17}, 400, "n: 17, expected at most 16"),
        ({"stop": ""}, 400, "stop"),
        ({"max_tokens": 4097}, 400, "max_tokens: 4097, expected at most 4096"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 400, "max_tokens: differs"),
        ({"top_logprobs": 2}, 400, "top_logprobs: expected logprobs"),
        ({"thinking_token_budget": -2}, 400, "thinking_token_budget"),
        ({"reasoning_effort": "huge"}, 400, "reasoning_effort"),
        ({"reasoning_effort": "low", "thinking_token_budget": 5}, 400, "reasoning_effort: expected either"),
        ({"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True}}, 400, "contradicts"),
        ({"chat_template_kwargs": {"think": True}}, 400, "chat_template_kwargs.think: not known here"),
        ({"response_format": {"type": "json_schema"}}, 400, "response_format: json_schema"),
        ({"response_format": {"type": "yaml"}}, 400, "response_format.type"),
        ({"response_format": {"type": "json_object"}, "tools": TOOLS}, 400, "response_format: expected text"),
        ({"tool_choice": "required"}, 400, "tool_choice: required, but"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, 400, "tools: two have one name"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "fly"}}}, 400, "fly is not among"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0"),
        ({"messages": [{"role": "user", "content": "x" * 300_000}]}, 400, "300000 characters"),
        ({"messages": [{"role": "user", "content": WRONG}]}, 400, "prompt: 9999 tokens"),
        ({"model": "other"}, 404, "model: not here"),
        ({"messages": [{"role": "user", "content": BROKEN}]}, 500, "a fault of the server"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_named(served: Served, fields: dict[str, Any], status: int, told: str, stream: bool) -> None:
    asked = {"model": "scripted", "messages": [{"role": "user", "content": "x"}], "stream": stream, **fields}
    answer = httpx.post(served.url + "/v1/chat/completions", json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert told in error["message"] and SECRET not in answer.text


def test_the_stock_client_raises_its_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, WRONG)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="other", messages=[{"role": "user", "content": "x"}])


def test_models_health_and_what_is_not_here(client: openai.OpenAI, served: Served) -> None:
    assert [one.id for one in client.models.list()] == ["scripted"]
    assert client.models.retrieve("scripted").owned_by == "lapis"
    health = httpx.get(served.url + "/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    missing = httpx.post(served.url + "/v1/completions", json={})
    assert missing.status_code == 404 and "/v1/completions: not here" in missing.json()["error"]["message"]
    wrong = httpx.get(served.url + "/v1/chat/completions")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "POST" and "error" in wrong.json()


def test_metrics_count_what_was_asked(client: openai.OpenAI) -> None:
    with serving(Scripted()) as fresh:
        other = openai.OpenAI(base_url=fresh.url + "/v1", api_key="none", max_retries=0)
        ask(other, thinking_token_budget=20)
        with pytest.raises(openai.BadRequestError):
            ask(other, WRONG)
        httpx.post(fresh.url + "/v1/images", content=png(), headers={"content-type": "image/png"})
        lines = httpx.get(fresh.url + "/metrics").text.splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")
    assert found['lapis_requests_total{path="/v1/chat/completions",status="200"}'] == "1.0"
    assert found['lapis_requests_total{path="/v1/chat/completions",status="400"}'] == "1.0"
    assert found["lapis_thought_tokens_total"] == f"{len(THOUGHT)}.0"
    assert found["lapis_prompt_tokens_total"] == "5.0" and found["lapis_images_total"] == "1.0"
    assert found["lapis_first_token_seconds_count"] == "1.0"
    assert (found["lapis_live_slots"], found["lapis_queue_waiting"]) == ("0.0", "0.0")
