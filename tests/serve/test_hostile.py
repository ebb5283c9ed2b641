"""A thousand hostile requests from one seed: none may break the server, and each is told why in OpenAI's words."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from lapis.serve.faults import KINDS
from lapis.serve.limits import Limits
from tests.serve.scripted import Scripted, data_uri, png, serving
from tests.waiting import until

COUNT = 1000
LIMITS = Limits(body=300_000)
Body = bytes
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, -(2**63) - 1, 2**64, 1e308, float("nan"), float("inf"), -float("inf"), "", "x" * 5000,
    "\ud800", "\x00", [], [[]], {}, {"a": {"b": []}}, [None], "1", 0.1,
)  # fmt: skip
FIELDS = (
    "model", "messages", "stream", "stream_options", "n", "seed", "stop", "temperature", "top_p", "top_k", "min_p",
    "presence_penalty", "frequency_penalty", "repetition_penalty", "logprobs", "top_logprobs", "max_tokens",
    "max_completion_tokens", "thinking_token_budget", "chat_template_kwargs", "reasoning_effort", "response_format",
    "tools", "tool_choice", "parallel_tool_calls", "user", "metadata", "store", "unknown", "__proto__",
)  # fmt: skip


def plain(**fields: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": "hi"}], **fields}


def dumped(value: Any) -> Body:
    return json.dumps(value).encode()


def odd_field(draw: random.Random) -> Body:
    return dumped(plain(**{draw.choice(FIELDS): draw.choice(ODD)}))


def odd_fields(draw: random.Random) -> Body:
    return dumped(plain(**{draw.choice(FIELDS): draw.choice(ODD) for _ in range(4)}))


def odd_message(draw: random.Random) -> Body:
    role = draw.choice(("user", "system", "assistant", "tool", "robot", "", None, 5, ["user"], "\ud800"))
    message: dict[str, Any] = {"role": role, "content": draw.choice((*ODD, "fine", [{"type": "text", "text": "a"}]))}
    if draw.random() < 0.5:
        message[draw.choice(("name", "tool_calls", "tool_call_id", "reasoning_content", "thought"))] = draw.choice(ODD)
    return dumped(plain(messages=[message] * draw.choice((1, 2, 600))))


def odd_part(draw: random.Random) -> Body:
    part = draw.choice(
        (
            {"type": "video", "video": "x"},
            {"type": "text"},
            {"type": "text", "text": draw.choice(ODD)},
            {"type": "image_url", "image_url": draw.choice(ODD)},
            {"type": "image_url", "image_url": {"url": draw.choice(ODD)}},
            {"type": "image_url", "image_url": {"url": "lapis://" + "../" * 9}},
            {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}},
        )
    )
    return dumped(plain(messages=[{"role": "user", "content": [part] * draw.choice((1, 17, 2000))}]))


def cut_picture(draw: random.Random) -> Body:
    url = data_uri(png(draw.randrange(255), 50, 50))
    return shown(url[: draw.randrange(5, len(url))])


def spoilt_picture(draw: random.Random) -> Body:
    data = bytearray(png(draw.randrange(255), 50, 50))
    for _ in range(draw.randrange(1, 9)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return shown(data_uri(bytes(data)))


def bomb(draw: random.Random) -> Body:
    """A PNG that claims to be enormous, or to be just small enough, of a few compressed bytes."""
    width, height = draw.choice(((60_000, 60_000), (2**31 - 1, 2**31 - 1), (7000, 7000), (6000, 6000)))
    rows = zlib.compress(b"\0" * draw.choice((10, 10**6)), 9)
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, 2)
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"zTXt", b"a\0\0" + zlib.compress(b"a" * 10**6)),
        (b"IDAT", rows),
        (b"IEND", b""),
    ):
        out.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return shown(data_uri(out.getvalue()))


def other_format(draw: random.Random) -> Body:
    heads = (b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"BM", b"II*\0", b"\0\0\1\0", b"RIFF0000AVI ", b"RIFF0000WEBP")
    return shown(data_uri(draw.choice(heads) + draw.randbytes(200)))


def shown(url: str) -> Body:
    return dumped(plain(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]))


def deep(draw: random.Random) -> Body:
    levels = draw.choice((33, 100, 5000, 40_000))
    start, end = draw.choice((("[", "]"), ('{"a":', "}")))
    where = draw.choice(("metadata", "tools", "unknown", "messages"))
    close = end * levels if draw.random() < 0.5 else ""
    return f'{{"model": "scripted", "messages": [], "{where}": {start * levels}1{close}}}'.encode()


def no_json(draw: random.Random) -> Body:
    whole = dumped(plain())
    choices = (b"", b"null", b"[]", b"5", b'"x"', b"{", whole[:-1], whole + b"}", draw.randbytes(300), b"\xff\xfe{}")
    return draw.choice((*choices, b"9" * 10_000, b"1e999999", b'{"a":' + b"9" * 5000 + b"}", b"\0" * 9))


def oversized(draw: random.Random) -> Body:
    return dumped(plain(user="x" * draw.choice((300_000, 400_000))))


def odd_schema(draw: random.Random) -> Body:
    schema = draw.choice((*ODD, {"$ref": "#"}, {"type": draw.choice(ODD)}, {"enum": ["\ud800"]}, {"$defs": 5}))
    tool = {"type": "function", "function": {"name": draw.choice(("f", "", "a b", "x" * 65)), "parameters": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    return dumped(plain(**draw.choice(({"tools": [tool]}, {"tools": [tool] * 65}, {"response_format": form}))))


KINDS_OF: tuple[Callable[[random.Random], Body], ...] = (
    odd_field, odd_fields, odd_message, odd_part, cut_picture, spoilt_picture, bomb, other_format, deep, no_json,
    oversized, odd_schema,
)  # fmt: skip
ALWAYS = {cut_picture: {422}, bomb: {422}, other_format: {422}, oversized: {413}, deep: {400}, no_json: {400}}
"""Kinds of which every one is refused, with its status."""


def test_a_thousand_hostile_requests_break_nothing() -> None:
    draw, found = random.Random(4), Counter[int]()
    with serving(Scripted(), LIMITS) as served, httpx.Client(base_url=served.url) as client:
        for number in range(COUNT):
            make = KINDS_OF[number % len(KINDS_OF)]
            body = make(draw)
            headers = {"content-type": "application/json"}
            answer = client.post("/v1/chat/completions", content=body, headers=headers)
            expected = ALWAYS.get(make, {200, 400, 404, 413, 422})
            assert answer.status_code in expected, (make.__name__, body[:300], answer.text)
            if answer.status_code != 200:
                error = answer.json()["error"]
                assert error["type"] == KINDS[answer.status_code][0] and len(error["message"]) < 500
                assert "Traceback" not in answer.text and ".py" not in answer.text
            found[answer.status_code] += 1
        desk = served.server.service.desk
        until(lambda: (served.backend.live, served.backend.waiting, desk.held, desk.running) == (0, 0, 0, 0))
        assert client.post("/v1/chat/completions", json=plain()).status_code == 200
    assert found[200] < COUNT // 3 and {400, 413, 422} <= set(found)
