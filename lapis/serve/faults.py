"""What a client is told when it gets no answer: OpenAI's error object, its HTTP status, and nothing of our insides."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass, field
from typing import Any

from lapis.serve.backend import Full
from lapis.serve.errors import PromptTooLong, Released
from lapis.types import InputError

log = logging.getLogger("lapis.serve")

KINDS = {
    400: ("invalid_request_error", "a field is wrong, or the prompt is too long"),
    401: ("authentication_error", "the API key is missing or wrong"),
    403: ("permission_error", "another site's page asks, or the server is called by a name that is not its own"),
    404: ("not_found_error", "there is no such path, model or uploaded image"),
    405: ("invalid_request_error", "the path is there, the method is not"),
    408: ("timeout_error", "the body did not arrive in time"),
    413: ("invalid_request_error", "the body is too large"),
    415: ("invalid_request_error", "the body is of another type"),
    422: ("invalid_request_error", "a picture cannot be fetched or decoded"),
    429: ("rate_limit_error", "the queue is full; Retry-After says when to ask again"),
    500: ("server_error", "a fault of ours"),
    503: ("overloaded_error", "the server is stopping"),
    504: ("timeout_error", "the request took longer than the server allows"),
}
"""Status to OpenAI's type of error and when it comes."""
RETRY = {429: "1", 503: "5"}
"""Seconds after which to ask again, by status."""


@dataclass(eq=False)
class Fault(Exception):
    """A request that is refused. `param` names the field, `code` is for programs."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        kind = KINDS[self.status][0]
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def all_headers(self) -> dict[str, str]:
        retry = {"retry-after": RETRY[self.status]} if self.status in RETRY else {}
        return {"content-type": "application/json", "cache-control": "no-store", **retry, **self.headers}

    def data(self) -> bytes:
        return json.dumps(self.body(), ensure_ascii=False).encode(errors="replace")


def fault_of(error: Exception) -> Fault:
    """What a client is told about an error. One of ours is logged by its kind and place, never by its words."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, Full):
        return Fault(429, "the queue is full; ask again soon", code="queue_full")
    if isinstance(error, TimeoutError):
        return Fault(504, "the request took longer than this server allows", code="timeout")
    if isinstance(error, InputError):
        code = "context_length_exceeded" if isinstance(error, PromptTooLong) else None
        return Fault(400, str(error), str(error).partition(":")[0], code)
    if isinstance(error, Released):
        return Fault(503, "the server is stopping", code="draining")
    log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return Fault(500, "a fault of the server; its log has the place", code="internal_error")


def refuse(param: str, message: str) -> Fault:
    """A field that is wrong (400)."""
    return Fault(400, f"{param}: {message}", param)
