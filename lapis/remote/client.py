"""One endpoint: a request goes out when its pace allows, and again after a fault that may pass.

Asked again are 408, 409, 425, 429, 5xx, lost connections, time-outs and answers that are broken, after a wait that
doubles, with a random part (so that many do not return at once), or as long as Retry-After says. 401, 403, 404 and 405
end everything: no other request would fare better. Any other 4xx is that request's own and is never asked again.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from lapis.endpoint import Endpoint
from lapis.remote import request as wire
from lapis.remote.pace import Pace, Sleep
from lapis.remote.request import Reply
from lapis.types import InputError, Request

AGAIN = (408, 409, 425, 429)
HOPELESS = (401, 403, 404, 405)
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SHOWN = 200
"""Characters of an API's message that are told."""


class Unanswered(Exception):
    """A request that got no answer however often it was asked; another start may."""


@dataclass(slots=True)
class Client:
    """Asks one endpoint. `secret` is its key, and stands in no message."""

    endpoint: Endpoint
    http: httpx.AsyncClient
    pace: Pace
    sleep: Sleep
    secret: str

    async def ask(self, request: Request) -> Reply:
        """The answer. Raises Unanswered after the last try, InputError where no request can succeed."""
        told, why = wire.body(request, self.endpoint), ""
        most = wire.most_prompt(request.turns) + request.max_tokens
        for attempt in range(self.endpoint.retries + 1):
            ticket = await self.pace.take(most)
            try:
                response = await self.http.post("chat/completions", json=told)
                if reply := self._judged(response, request):
                    ticket.tokens = reply.prompt + reply.written
                    return reply
                why = self._said(response)
            except (httpx.RequestError, ValueError) as error:
                response, why = None, _fault(error)
            if attempt < self.endpoint.retries:
                await self._wait(attempt, response)
        raise Unanswered(why)

    def _judged(self, response: httpx.Response, request: Request) -> Reply | None:
        """An answer, a refusal for good, or None for what may pass. Raises InputError where all is in vain."""
        status = response.status_code
        if status == 200:
            return wire.reply_of(response.json(), request, self.endpoint)
        if status in AGAIN or status >= 500:
            return None
        if status in HOPELESS or status < 400:
            raise InputError(f"{self.endpoint.name} at {self.endpoint.url}: {self._said(response)}")
        return wire.refused(request, self._said(response))

    async def _wait(self, attempt: int, response: httpx.Response | None) -> None:
        least = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
        told = _seconds(response.headers.get("retry-after", "")) if response is not None else 0.0
        if told and response is not None and response.status_code == 429:
            self.pace.hold(told)
        await self.sleep(max(told, least * random.uniform(0.5, 1.0)))

    def _said(self, response: httpx.Response) -> str:
        """Status and message of a refusal, without the key, which some APIs repeat."""
        try:
            said = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            said = response.reason_phrase
        said = " ".join(str(said).split())
        return f"{response.status_code} {said.replace(self.secret, '***') if self.secret else said}"[:SHOWN]


def _fault(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.DecodingError):
        return "an answer whose packing is broken"
    return "an answer that is no chat completion" if isinstance(error, ValueError) else "no connection"


def _seconds(told: str) -> float:
    """Of a Retry-After in seconds; a date counts as none."""
    return min(float(told), LONGEST_WAIT) if told.replace(".", "", 1).isdigit() else 0.0


def secret_of(endpoint: Endpoint) -> str:
    """The endpoint's API key from the environment. Raises InputError where its variable is empty."""
    if not endpoint.key_from:
        return ""
    found = os.environ.get(endpoint.key_from, "").strip()
    if not found:
        raise InputError(f"{endpoint.name}.key_from: the environment has no variable {endpoint.key_from}")
    if not found.isascii() or len(found.split()) > 1:
        raise InputError(f"{endpoint.key_from}: expected one word of ASCII")
    return found


def opened(endpoint: Endpoint, sleep: Sleep = asyncio.sleep, pace: Pace | None = None, **how: Any) -> Client:
    """A client of an endpoint. Raises InputError for a poor URL, and for a key over http to another machine."""
    place = urlsplit(endpoint.url)
    if place.scheme not in ("http", "https") or not place.hostname or not endpoint.model:
        told = f"expected a url (http://127.0.0.1:8000/v1) and a model, got {endpoint.url!r} and {endpoint.model!r}"
        raise InputError(f"{endpoint.name}: {told}")
    secret, near = secret_of(endpoint), place.hostname in LOOPBACK
    if secret and place.scheme == "http" and not near:
        raise InputError(f"{endpoint.name}.url: a key is sent over https only, or to this machine")
    http = httpx.AsyncClient(
        base_url=endpoint.url,
        headers={"authorization": f"Bearer {secret}"} if secret else {},
        timeout=endpoint.seconds,
        limits=httpx.Limits(max_connections=endpoint.concurrency),
        trust_env=not near,
        **how,
    )
    pace = pace or Pace(endpoint.requests_minute, endpoint.tokens_minute, sleep=sleep)
    return Client(endpoint, http, pace, sleep, secret)
