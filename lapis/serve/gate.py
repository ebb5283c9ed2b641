"""What stands before every route: who may ask, how much, for how long, and what is said when something breaks.

Host and Origin are looked at because a page of another site, or a name that it lets point here (DNS rebinding), could
else use a server on loopback through its visitor's browser. Bodies are counted while they are read, chunked ones too.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lapis.serve.faults import Fault, fault_of
from lapis.serve.limits import Limits
from lapis.serve.metrics import Metrics

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PATHS = frozenset(("/", "/v1/chat/completions", "/v1/models", "/v1/images", "/health", "/metrics"))
"""What metrics tell apart."""
BRACKETS = 100_000
"""Most lists and objects of a body."""
QUOTED = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, also one that never ends: so each byte is looked at once."""
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
LEFT = 499
"""Status in the metrics of a request whose client did not wait for the answer (nginx's)."""

T = TypeVar("T")


class Gone(Exception):
    """The client has left."""


@dataclass(slots=True)
class Desk:
    """What a server is doing."""

    running: int = 0
    held: int = 0
    """Bytes of bodies."""
    draining: bool = False
    """A stop was asked for: nothing new is taken."""


class Gate:
    """ASGI middleware. `key` is what clients must know; anybody may ask where it is empty."""

    def __init__(self, app: ASGIApp, limits: Limits, key: str, desk: Desk, metrics: Metrics):
        self._app, self._limits, self._desk, self._metrics = app, limits, desk, metrics
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(send)
        self._desk.running += 1
        self._metrics.running.inc()
        try:
            await self._pass(scope, receive, visit)
        except Gone:
            visit.status = LEFT
        except Exception as error:
            await visit.fail(fault_of(error))
        finally:
            self._desk.running -= 1
            self._metrics.running.dec()
            path = scope["path"] if scope["path"] in PATHS else "other"
            self._metrics.requests.labels(path, str(visit.status)).inc()

    async def _pass(self, scope: Scope, receive: Receive, visit: _Visit) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._check(scope, headers)
        body = await self._body(receive)
        try:
            if "json" in headers.get("content-type", ""):
                check_depth(body, self._limits.depth)
            await self._app(scope, _replay(body, receive), visit.send)
        finally:
            self._desk.held -= len(body)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raises Fault for a request whose head says enough."""
        host = headers.get("host", "")
        if not self._is_own(host):
            raise Fault(403, "Host: not a name of this server; `lapis serve --name` adds one", code="wrong_host")
        if "origin" in headers and headers["origin"].partition("://")[2] != host:
            raise Fault(403, "Origin: another site's pages may not ask", code="wrong_origin")
        private = scope["path"].startswith("/v1/") or scope["path"] == "/metrics"
        if self._key and private and not self._knows(headers.get("authorization", "")):
            raise Fault(
                401, "API key: missing or wrong", code="invalid_api_key", headers={"www-authenticate": "Bearer"}
            )
        if self._desk.draining and scope["method"] == "POST":
            raise Fault(503, "the server is stopping", code="draining", headers={"connection": "close"})
        if int(headers.get("content-length", 0)) > self._limits.body:
            raise self._too_large()

    def _is_own(self, host: str) -> bool:
        """A name cannot be rebound where it is an address, and localhost is the machine's own."""
        name = host_of(host)
        if name == "localhost" or name in self._limits.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _knows(self, authorization: str) -> bool:
        kind, _, key = authorization.partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(key.strip().encode("latin-1"), self._key)

    def _too_large(self) -> Fault:
        return Fault(413, f"the body is larger than {self._limits.body} bytes", code="body_too_large")

    async def _body(self, receive: Receive) -> bytes:
        """The whole body, which `held` counts from now on. Raises Fault, or Gone."""
        data = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while await self._piece(receive, data):
                    pass
        except TimeoutError:
            self._desk.held -= len(data)
            raise Fault(408, "the body did not arrive in time", headers={"connection": "close"}) from None
        except BaseException:
            self._desk.held -= len(data)
            raise
        return bytes(data)

    async def _piece(self, receive: Receive, data: bytearray) -> bool:
        """Read one more piece of a body; whether another follows."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece = message.get("body", b"")
        data += piece
        self._desk.held += len(piece)
        if len(data) > self._limits.body:
            raise self._too_large()
        if self._desk.held > self._limits.bodies:
            raise Fault(429, "too much is being sent at once; ask again soon", code="busy")
        return bool(message.get("more_body"))


class _Visit:
    """One request's way out."""

    def __init__(self, send: Send):
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            there = {name for name, _ in message["headers"]}
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in there]
            message = {**message, "headers": [*message["headers"], *ours]}
        await self._send(message)

    async def fail(self, fault: Fault) -> None:
        """Tell a fault; where the answer has begun there is nothing to tell any more, and it ends cut off."""
        if self.status:
            return
        headers = [(name.encode(), value.encode()) for name, value in fault.all_headers().items()]
        await self.send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": fault.data()})


def host_of(host: str) -> str:
    """A Host header's name, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def check_depth(data: bytes, limit: int) -> None:
    """Raises Fault for JSON of too many or too deep lists and objects, before anything is built of it."""
    brackets = QUOTED.sub(b"", data).translate(None, NO_BRACKETS)
    if len(brackets) > 2 * BRACKETS:
        raise Fault(400, f"the body: more than {BRACKETS} lists and objects")
    level = 0
    for byte in brackets:
        level += 1 if byte in b"[{" else -1
        if level > limit:
            raise Fault(400, f"the body: lists and objects inside each other, more than {limit} deep")


def _replay(body: bytes, receive: Receive) -> Receive:
    """What is received: the body that was read already, then whatever comes."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def alive(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`, which is cancelled when the client leaves first. Raises Gone then."""
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
