"""The server's routes: OpenAI's chat completions and models, images uploaded ahead, health, metrics, and the page.

`create(backend, spelling)` is the ASGI app; docs/serving.md tells its fields and limits. Unusual: an answer's status is
decided when its first piece is there, so that a full queue is a 429 for streams too; and a client that leaves, in any
state of its request, frees the slot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from lapis.serve import told, wire
from lapis.serve.ask import asked
from lapis.serve.backend import Backend, Delta, Full
from lapis.serve.faults import KINDS, Fault, fault_of
from lapis.serve.gate import Desk, Gate, Gone, alive
from lapis.serve.images import KEPT, Images
from lapis.serve.limits import Limits
from lapis.serve.metrics import Metrics
from lapis.serve.remote import Remote
from lapis.serve.reply import Numbered, Reply, Spelling, merged
from lapis.types import Request as EngineRequest

PAGE = Path(__file__).parent / "page"
PICTURES = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
BINARY = {"schema": {"type": "string", "format": "binary"}}
UPLOAD = {"requestBody": {"required": True, "content": dict.fromkeys(PICTURES, BINARY)}}
QUIET: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
Told = dict[int | str, dict[str, Any]]
LAST = 1.0
"""Seconds for telling that the time is over: a client that reads nothing is told nothing."""

T = TypeVar("T")


@dataclass(slots=True)
class Begun:
    """An answer whose first piece is there."""

    reply: Reply
    first: Numbered
    rest: AsyncGenerator[Numbered, None]

    async def all(self) -> AsyncIterator[Numbered]:
        yield self.first
        async for numbered in self.rest:
            yield numbered


class Events(Response):
    """Server-sent events, until they end, the client leaves or the time is over."""

    media_type = "text/event-stream"

    def __init__(self, begun: Begun, deadline: float):
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._begun, self._deadline = begun, deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with asyncio.timeout_at(self._deadline):
                await alive(receive, self._tell(send))
        except TimeoutError as error:
            async with asyncio.timeout(LAST):
                await send(_piece(b"data: " + fault_of(error).data() + b"\n\n"))
        finally:
            await self._begun.rest.aclose()
        await send({"type": "http.response.body", "body": b""})

    async def _tell(self, send: Send) -> None:
        async for frame in self._begun.reply.frames(self._begun.all()):
            await send(_piece(frame))


def _piece(data: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}


class Service:
    """What the routes do."""

    def __init__(self, backend: Backend, spelling: Spelling, limits: Limits, remote: Remote):
        self.backend, self.limits, self.desk = backend, limits, Desk()
        self.metrics = Metrics(backend.load)
        self.images = Images(limits, remote)
        self._spelling, self._created = spelling, int(time.time())
        self._full: tuple[int, int] | None = None
        """How many waited, and were there at all, when the engine last refused one."""

    async def chat(self, request: Request, chat: wire.Chat) -> Response:
        """A chat completion, whole or as a stream of server-sent events."""
        self._check_model(chat.model)
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        begun = await self._timed(deadline, request, self._begin(chat))
        if chat.stream:
            return Events(begun, deadline)
        try:
            return JSONResponse(await self._timed(deadline, request, begun.reply.whole(begun.all())))
        finally:
            await begun.rest.aclose()

    async def upload(self, request: Request) -> Response:
        """Encode an image before anything is asked about it; `image_url` may then name it as lapis://ID."""
        if request.headers.get("content-type", "").partition(";")[0].strip() not in PICTURES:
            raise Fault(415, f"Content-Type: expected one of {', '.join(PICTURES)}")
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        return JSONResponse(await self._timed(deadline, request, self._prepare(await request.body())))

    async def models(self) -> Response:
        """The model that is served."""
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def model(self, name: str) -> Response:
        """The model that is served, by its name."""
        self._check_model(name)
        return JSONResponse(self._model())

    async def health(self) -> Response:
        """Whether requests are taken: 503 once a stop was asked for."""
        load, draining = self.backend.load(), self.desk.draining
        state = {"status": "draining" if draining else "ok", "model": self.backend.model}
        return JSONResponse({**state, "live": load.live, "waiting": load.waiting}, 503 if draining else 200)

    async def numbers(self) -> Response:
        """Metrics in Prometheus' text form."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    def _check_model(self, name: str) -> None:
        if name != self.backend.model:
            raise Fault(404, f"model: not here, expected {self.backend.model}", "model", "model_not_found")

    def _model(self) -> dict[str, Any]:
        about = {"created": self._created, "owned_by": "lapis", "max_model_len": self.backend.length}
        return {"id": self.backend.model, "object": "model", **about}

    async def _timed(self, deadline: float, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of `work` while the client waits for it. Raises Fault, or Gone."""
        try:
            async with asyncio.timeout_at(deadline):
                return await alive(request.receive, work)
        except Gone:
            raise
        except Exception as error:
            raise fault_of(error) from None

    async def _submit(self, request: EngineRequest) -> AsyncIterator[Delta]:
        """The engine's deltas, counted; a refusal is remembered."""
        try:
            async with aclosing(self.metrics.watch(self.backend.submit(request))) as deltas:
                async for delta in deltas:
                    yield delta
        except Full:
            self._full = self._crowd()
            raise

    def _crowd(self) -> tuple[int, int]:
        load = self.backend.load()
        return load.waiting, load.live + load.waiting

    async def _begin(self, chat: wire.Chat) -> Begun:
        if self._full and all(now >= then for now, then in zip(self._crowd(), self._full, strict=True)):
            raise Full  # before pictures are decoded for nothing
        ask = await asked(chat, self.images, self.limits, self.backend.length)
        rest = merged([self._submit(request) for request in ask.requests])
        try:
            return Begun(Reply(ask, self.backend.model, self._spelling), await anext(rest), rest)
        except StopAsyncIteration:
            raise Fault(500, "the engine ended before its answer") from None

    async def _prepare(self, data: bytes) -> dict[str, Any]:
        image = await self.images.decoded(data)
        tiles = await self.backend.prepare(image)
        name = self.images.store.add(image)
        size = {"width": image.width, "height": image.height, "tiles": tiles}
        return {"id": name, "object": "image", "url": KEPT + name, **size}


def create(
    backend: Backend,
    spelling: Spelling,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    key: str = "",
    remote: Remote | None = None,
) -> FastAPI:
    """The app. Its `state.service` is the Service, whose `desk` says whether it drains."""
    service = Service(backend, spelling, limits, remote or Remote(limits))
    app = FastAPI(
        title="Lapis",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=QUIET,
    )
    app.state.service = service
    _routes(app, service)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Fault, _fault)
    app.add_middleware(Gate, limits=limits, key=key, desk=service.desk, metrics=service.metrics)
    if PAGE.is_dir():
        app.router.routes.append(PageMount("/", StaticFiles(directory=PAGE, html=True)))
    return app


class PageMount(Mount):
    """The page's files everywhere but under the API, whose wrong paths and methods are told as such."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if scope["path"].startswith("/v1/") else super().matches(scope)


def _routes(app: FastAPI, service: Service) -> None:
    stream = {"description": "the answer, or its pieces where `stream` is true", "content": {"text/event-stream": {}}}
    asks: Told = {200: {**stream, "model": told.ChatCompletion}, **told.errors(400, 401, 404, 415, 422, 503, 504)}
    app.post("/v1/chat/completions", responses=asks)(service.chat)
    sends: Told = {200: {"model": told.Uploaded}, **told.errors(400, 401, 415, 422, 503, 504)}
    app.post("/v1/images", responses=sends, openapi_extra=UPLOAD)(service.upload)
    app.get("/v1/models", responses={200: {"model": told.Models}, **told.errors(401)})(service.models)
    one: Told = {200: {"model": told.Model}, **told.errors(401, 404)}
    app.get("/v1/models/{name:path}", responses=one)(service.model)
    states: Told = {200: {"model": told.Health}, 503: {"model": told.Health}}
    app.get("/health", responses={**told.errors(), **states})(service.health)
    text: Told = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
    app.get("/metrics", responses={**text, **told.errors(401)}, response_class=Response)(service.numbers)


async def _fault(request: Request, fault: Exception) -> Response:
    found = fault_of(fault)
    return Response(found.data(), found.status, headers=found.all_headers())


async def _http(request: Request, error: Exception) -> Response:
    """Paths, methods and bodies that the framework refuses."""
    assert isinstance(error, HTTPException)
    status = error.status_code if error.status_code in KINDS else 400
    where = {404: f"{request.url.path}: not here; docs/serving.md lists what is", 405: "the path has other methods"}
    return await _fault(request, Fault(status, where.get(status, error.detail), headers=dict(error.headers or {})))


async def _invalid(request: Request, error: Exception) -> Response:
    """A body that is no JSON, or has a field that is wrong: the first of them is told."""
    assert isinstance(error, RequestValidationError)
    kind = request.headers.get("content-type", "")
    if "json" not in kind:
        return await _fault(request, Fault(415, "Content-Type: expected application/json"))
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return await _fault(request, Fault(400, "the body is no JSON"))
    place = [str(step) for step in first["loc"] if step != "body"]
    why = "not known here" if first["type"] == "extra_forbidden" else first["msg"]
    return await _fault(request, Fault(400, f"{'.'.join(place) or 'the body'}: {why}", place[0] if place else None))
