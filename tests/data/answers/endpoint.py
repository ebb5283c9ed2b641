"""An endpoint that is asked without a network: a script answers what httpx would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from lapis.data.answers.ask import ByHTTP
from lapis.endpoint import Endpoint
from lapis.remote import client
from lapis.remote.pace import Pace
from lapis.types import Request, Text, Turn

PLACE = Endpoint(name="teacher", url="http://127.0.0.1:9/v1", model="m", price_prompt=1.0, price_answer=10.0)
Script = Callable[[dict[str, Any], int], httpx.Response]
"""(the request's JSON, how often this one came before) to what is answered."""


def question(text: str, seed: int = 0, **fields: Any) -> Request:
    return Request((Turn("user", (Text(text),)),), seed=seed, **fields)


def said(text: str, thought: str = "", finish: str = "stop", prompt: int = 10, written: int = 5) -> httpx.Response:
    message = {"role": "assistant", "content": text, **({"reasoning_content": thought} if thought else {})}
    usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    return httpx.Response(200, json={"choices": [{"message": message, "finish_reason": finish}], "usage": usage})


class Scripted:
    """What was asked, by its text, and how long was waited: no test sleeps."""

    def __init__(self, script: Script, endpoint: Endpoint = PLACE):
        self.script, self.endpoint = script, endpoint
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.waits: list[float] = []

    def asker(self, log: Path, spend: float = 0.0, **changed: Any) -> ByHTTP:
        return ByHTTP(replace(self.endpoint, **changed), log, spend, self._opened)

    def _opened(self, endpoint: Endpoint) -> client.Client:
        pace = Pace(endpoint.requests_minute, endpoint.tokens_minute, lambda: sum(self.waits), self._sleep)
        return client.opened(endpoint, self._sleep, pace, transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        before = self.bodies.count(body)
        self.bodies.append(body)
        self.headers.append(request.headers)
        await asyncio.sleep(0)
        return self.script(body, before)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def text_of(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
