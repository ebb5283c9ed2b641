"""A server that says what a test tells it to say: the page's files, and OpenAI's endpoints from a script.

A script is a list of steps for one question: pieces of thought or answer, an event to wait for, or the client's going.
Nothing sleeps: a stream stands still until its event is set.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

PAGE = Path(__file__).parents[3] / "lapis" / "serve" / "page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The strictest that the page works under."""
PATIENCE = 20.0
"""Seconds that a stream waits for its event before the test is given up."""


@dataclass(frozen=True)
class Think:
    """A piece of the thought."""

    text: str


@dataclass(frozen=True)
class Say:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Wait:
    """The stream stands still until the event is set."""

    event: threading.Event


class Gone:
    """The stream waits for the client to hang up."""


class Cut:
    """The stream ends in the middle."""


@dataclass(frozen=True)
class Refuse:
    """An HTTP status instead of an answer."""

    status: int
    message: str = "no"
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


Step = Think | Say | Wait | Gone | Cut
Script = Sequence[Step] | Refuse


class Site:
    """The server, in threads of its own; use it as a context manager."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        """One a question, in order; the last one stays."""
        self.asked: list[dict[str, Any]] = []
        """Bodies of questions."""
        self.uploads: list[bytes] = []
        self.keeps_images = True
        self.key = ""
        """The key that is asked for; empty for none."""
        self.left = threading.Event()
        """A client hung up in the middle."""

    def __enter__(self) -> Site:
        site = self

        class Handler(_Handler):
            page = site

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; a second time does nothing."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next_script(self) -> Script:
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


class _Handler(BaseHTTPRequestHandler):
    page: Site

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            if self._may():
                self._json(200, {"object": "list", "data": [{"id": "lapis-pocket", "object": "model"}]})
            return
        file = PAGE / ("index.html" if self.path == "/" else self.path[1:])
        if file.parent != PAGE or not file.is_file():
            self._json(404, {"error": {"message": self.path}})
            return
        self._head(200, TYPES[file.suffix], {"content-security-policy": POLICY})
        self.wfile.write(file.read_bytes())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._may():
            return
        if self.path == "/v1/images":
            self._image(body)
        else:
            self.page.asked.append(json.loads(body))
            self._answer(self.page.next_script())

    def _may(self) -> bool:
        may = not self.page.key or self.headers["authorization"] == f"Bearer {self.page.key}"
        if not may:
            self._json(401, {"error": {"message": "the API key is missing or wrong"}})
        return may

    def _image(self, body: bytes) -> None:
        if not self.page.keeps_images:
            self._json(404, {"error": {"message": "no such path"}})
            return
        self.page.uploads.append(body)
        self._json(200, {"id": f"image{len(self.page.uploads)}", "tiles": 3})

    def _answer(self, script: Script) -> None:
        if isinstance(script, Refuse):
            self._json(script.status, {"error": {"message": script.message, "code": script.code}}, script.headers)
            return
        self._head(200, "text/event-stream", {})
        try:
            if all(self._step(step) for step in script):
                self._end(script)
        except (BrokenPipeError, ConnectionResetError):
            self.page.left.set()

    def _step(self, step: Step) -> bool:
        """Whether the stream goes on."""
        if isinstance(step, Think | Say):
            name = "reasoning_content" if isinstance(step, Think) else "content"
            self._chunk({"choices": [{"index": 0, "delta": {name: step.text}, "finish_reason": None}]})
        elif isinstance(step, Wait):
            assert step.event.wait(PATIENCE)
        elif isinstance(step, Gone):
            self.connection.settimeout(PATIENCE)
            if self.connection.recv(1) == b"":
                self.page.left.set()
        return not isinstance(step, Cut | Gone)

    def _end(self, script: Sequence[Step]) -> None:
        thought = sum(isinstance(step, Think) for step in script)
        tokens = thought + sum(isinstance(step, Say) for step in script)
        details = {"reasoning_tokens": thought}
        usage = {"prompt_tokens": 9, "completion_tokens": tokens, "completion_tokens_details": details}
        self._chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._chunk({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _chunk(self, content: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._head(status, "application/json", headers or {})
        self.wfile.write(json.dumps(content).encode())

    def _head(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "cache-control": "no-store", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
