"""A server process from its socket to its end.

Asked to stop (SIGTERM, Ctrl-C) it goes on listening, says "draining" in /health, takes nothing new, lets what runs
finish for a grace, and only then closes. A second signal closes at once. Connections are bounded in number, and one
that sends no whole head in time is closed (uvicorn bounds neither).
"""

from __future__ import annotations

import asyncio
import socket
from types import FrameType
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from lapis.serve.api import Service
from lapis.serve.faults import Fault
from lapis.types import InputError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
BACKLOG = 128
"""Connections that wait to be taken."""
LAST = 2
"""Seconds for the last bytes of answers after the grace."""
LINGER = 5.0
"""Seconds in which the rest of a refused body is read and thrown away, so that its sender can read the refusal."""


def _busy() -> bytes:
    fault = Fault(503, "too many connections; ask again soon", code="too_many_connections")
    data, headers = fault.data(), {**fault.all_headers(), "connection": "close"}
    lines = [f"{name}: {value}" for name, value in {**headers, "content-length": str(len(data))}.items()]
    return "\r\n".join(("HTTP/1.1 503 Service Unavailable", *lines, "", "")).encode() + data


def connection(service: Service) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol within the limits of a service."""
    limits = service.limits

    class Connection(H11Protocol):
        alarm: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._arm(limits.head_seconds)
            if len(self.connections) > limits.connections:
                transport.write(_busy())
                transport.close()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._calm()
            elif self.alarm is None:
                self._arm(limits.head_seconds)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.conn.their_state is h11.SEND_BODY:
                self._arm(LINGER)

        def connection_lost(self, exc: Exception | None) -> None:
            self._calm()
            super().connection_lost(exc)

        def _arm(self, seconds: float) -> None:
            self._calm()
            self.alarm = self.loop.call_later(seconds, self.transport.close)

        def _calm(self) -> None:
            if self.alarm is not None:
                self.alarm.cancel()
                self.alarm = None

    return Connection


class Server(uvicorn.Server):
    """uvicorn's server that drains before it stops."""

    def __init__(self, app: FastAPI):
        self.service: Service = app.state.service
        self._closing: asyncio.Task[None] | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=connection(self.service),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=int(self.service.limits.head_seconds),
                timeout_graceful_shutdown=LAST,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal: begin to drain, or with the second one stop."""
        self._captured_signals.append(sig)
        if self.service.desk.draining:
            self.should_exit = self.force_exit = True
        self.service.desk.draining = True

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's clock, ten times a second."""
        if self.service.desk.draining and self._closing is None:
            self._closing = asyncio.create_task(self._drain())
        return await super().on_tick(counter)

    async def _drain(self) -> None:
        await self.service.backend.close(self.service.limits.grace)
        self.should_exit = True


def bound(host: str, port: int) -> socket.socket:
    """A place that listens already, so that whoever reads its URL can connect; port 0 takes a free one.

    Raises InputError where it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        raise InputError(f"--host {host} --port {port}: cannot listen there ({error.strerror})") from None
    return found


def url_of(place: socket.socket, host: str) -> str:
    """Where clients find it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{place.getsockname()[1]}"
