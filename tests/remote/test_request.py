"""What is sent to an API in each of its forms, what is read of its answers, and by what a request is known."""

from __future__ import annotations

import pytest

from lapis.endpoint import Endpoint
from lapis.remote import client
from lapis.remote import request as wire
from lapis.types import Image, Request, Text, Turn
from tests.data.answers.endpoint import PLACE, question
from tests.serve.scripted import png


def test_bodies_say_how_to_think_in_each_form() -> None:
    ask = question("?", think=True, budget=64, max_tokens=100)
    forms = {name: wire.body(ask, Endpoint(model="m", thinking=name)) for name in ("budget", "effort", "plain")}
    assert forms["budget"]["thinking_token_budget"] == 64 and forms["budget"]["max_tokens"] == 100
    assert forms["budget"]["chat_template_kwargs"] == {"enable_thinking": True}
    assert forms["effort"]["reasoning_effort"] == "low" and forms["effort"]["max_completion_tokens"] == 100
    assert not {"thinking_token_budget", "reasoning_effort", "chat_template_kwargs"} & forms["plain"].keys()
    free = wire.body(question("?"), Endpoint(model="m"))
    assert free["chat_template_kwargs"] == {"enable_thinking": False} and "thinking_token_budget" not in free
    assert wire.body(question("?"), Endpoint(model="m", thinking="effort"))["reasoning_effort"] == "none"


def test_pictures_go_as_data_uris_in_their_place() -> None:
    parts = (Text("Left: "), Image(png(), 40, 30), Text(" what?"))
    content = wire.message(Turn("user", parts))["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text"]
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    "message, finish, found",
    [
        ({"content": "42", "reasoning_content": "six by seven"}, "stop", ("six by seven", "42", True)),
        ({"content": "42", "reasoning": "six by seven"}, "stop", ("six by seven", "42", True)),
        ({"content": "<think>\nsix by seven\n</think>\n\n42"}, "stop", ("six by seven", "42", True)),
        ({"content": "<think>\nsix by"}, "length", ("six by", "", False)),
        ({"content": "", "reasoning_content": "six by"}, "length", ("six by", "", False)),
        ({"content": "42"}, "stop", ("", "42", True)),
    ],
)
def test_thoughts_are_found_where_apis_put_them(
    message: dict[str, str], finish: str, found: tuple[str, str, bool]
) -> None:
    answer = {"choices": [{"message": message, "finish_reason": finish}]}
    reply = wire.reply_of(answer, question("?", think=True), PLACE)
    assert (reply.thought, reply.text, reply.closed) == found
    assert reply.prompt > 0 and reply.written == len("".join(message.values()))  # no usage: bytes


@pytest.mark.parametrize(
    "usage",
    ["twelve", ["twelve"], {"prompt_tokens": "twelve"}, {"prompt_tokens": float("inf"), "completion_tokens": -3},
     {"completion_tokens": [1], "completion_tokens_details": "none"}],
)  # fmt: skip
def test_a_broken_usage_is_none_and_the_answer_stays(usage: object) -> None:
    answer = {"choices": [{"message": {"content": "42"}}], "usage": usage}
    reply, plain = (wire.reply_of(one, question("?"), PLACE) for one in (answer, answer | {"usage": None}))
    assert reply == plain and (reply.text, reply.written) == ("42", 2) and reply.cost > 0


def test_halves_of_characters_are_no_answer() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    with pytest.raises(ValueError):
        wire.reply_of({"choices": [{"message": {"content": "\ud800"}}], "usage": usage}, question("?"), PLACE)


def test_a_key_is_the_request_and_who_is_asked() -> None:
    one = question("?")
    others: list[tuple[Request, Endpoint]] = [
        (question("!"), PLACE),
        (question("?", seed=1), PLACE),
        (question("?", temperature=0.5), PLACE),
        (one, Endpoint(url=PLACE.url, model="n")),
        (one, Endpoint(url="http://127.0.0.1:8/v1", model="m")),
    ]
    keys = {wire.key(*pair) for pair in [(one, PLACE), *others]}
    assert len(keys) == 6 and wire.key(question("?"), PLACE) in keys


def test_retry_after_of_any_sort() -> None:
    assert [client._seconds(told) for told in ("3", "1.5", "", "Wed, 21 Oct", "999")] == [3.0, 1.5, 0.0, 0.0, 60.0]
