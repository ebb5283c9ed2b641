"""The server of the page: samples, pictures and checks over loopback, and nothing else.

Unusual: only requests by a name of this machine are answered, and only the page's own may write, so that no other page
in the same browser can read samples or keep checks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lapis.data.check import checks, drawn
from lapis.remote.request import media_type
from lapis.types import Sample

PAGE = Path(__file__).parent / "page"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
BODY = 64_000
"""Most bytes of a check."""
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Own:
    """ASGI middleware: requests of this machine's own page only."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            heads = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            host = heads.get("host", "")
            foreign = heads.get("origin", f"http://{host}").partition("://")[2] != host
            if host.rpartition(":")[0] not in LOOPBACK or foreign:
                await Response("not this page's request", 403)(scope, receive, send)
                return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await self._app(scope, receive, tell)


class Desk:
    """What the routes do."""

    def __init__(self, path: Path, samples: list[Sample]):
        self.path, self.samples = path, samples
        self.names = [sample.fingerprint for sample in samples]
        self.checks = checks.read(path)

    async def overview(self, request: Request) -> Response:
        """All samples in order, with what was said of them."""
        rows: list[dict[str, Any]] = []
        for name, sample in zip(self.names, self.samples, strict=True):
            check = self.checks.get(name, checks.Check(""))
            rows.append({"id": name, "kind": sample.kind, "verdict": check.verdict, "note": check.note})
        return JSONResponse({"file": self.path.name, "samples": rows})

    async def sample(self, request: Request) -> Response:
        """One sample."""
        number = self._number(request)
        return JSONResponse(drawn.told(self.samples[number], number))

    async def image(self, request: Request) -> Response:
        """A picture of a sample, as it is stored."""
        images, place = self.samples[self._number(request)].images, request.path_params["image"]
        if place >= len(images):
            raise HTTPException(404)
        data = images[place].data
        return Response(data, media_type=media_type(data))

    async def check(self, request: Request) -> Response:
        """Keep what was said of a sample."""
        number = self._number(request)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > BODY:
                raise HTTPException(413)
        try:
            found = checks.check_of(json.loads(body))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        checks.keep(self.path, self.names[number], found)
        self.checks[self.names[number]] = found
        return JSONResponse({"verdict": found.verdict, "note": found.note})

    def _number(self, request: Request) -> int:
        number: int = request.path_params["number"]
        if number >= len(self.samples):
            raise HTTPException(404)
        return number


def create(path: Path, samples: list[Sample]) -> Starlette:
    """The ASGI app for samples of the file `path`."""
    desk = Desk(path, samples)
    app = Starlette(
        routes=[
            Route("/samples", desk.overview),
            Route("/samples/{number:int}", desk.sample),
            Route("/samples/{number:int}/check", desk.check, methods=["POST"]),
            Route("/images/{number:int}/{image:int}", desk.image),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ]
    )
    app.add_middleware(Own)
    app.state.desk = desk
    return app
