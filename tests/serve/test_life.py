"""A server over time: clients that leave, a full queue, a stop, and the page's files."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from lapis.serve import api
from lapis.serve.limits import Limits
from tests.serve.scripted import FOREVER, Scripted, Served, serving
from tests.serve.test_gate import CHAT, asked
from tests.waiting import until

DROPS = 200


def place(served: Served) -> tuple[str, int]:
    host, port = served.url.removeprefix("http://").split(":")
    return host, int(port)


def said(content: str, **fields: Any) -> bytes:
    body = json.dumps(asked(content, **fields)).encode()
    lines = (f"POST {CHAT} HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    return "\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body


def leave(served: Served, number: int) -> None:
    """Ask, and leave: in a stream, before the answer, between its pieces, with several answers, in the queue, or with
    half a request said."""
    stream, whole = said(FOREVER, stream=True, n=1 + number % 3), said(FOREVER)
    with socket.create_connection(place(served)) as line:
        line.sendall(whole[:-20] if number % 7 == 6 else whole if number % 5 == 4 else stream)
        if number % 7 != 6 and number % 5 != 4 and number % 2:
            assert line.recv(1000).startswith(b"HTTP/1.1 200")


def test_clients_that_leave_free_their_slots() -> None:
    with serving(Scripted(slots=4, queue=100)) as served:
        for number in range(DROPS):
            leave(served, number)
        until(lambda: served.server.service.desk.running == 0)
        assert (served.backend.live, served.backend.waiting) == (0, 0)
        assert served.backend.slots._value == 4 and served.server.service.desk.held == 0
        assert len(served.backend.requests) >= DROPS // 2
        assert asyncio.run_coroutine_threadsafe(tasks(), served.loop).result() <= 4
        client = openai.OpenAI(base_url=served.url + "/v1", api_key="none", max_retries=0)
        answer = client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "still"}])
        assert answer.choices[0].message.content == "llits"
        left = httpx.get(served.url + "/metrics").text
        assert 'path="/v1/chat/completions",status="499"' in left


async def tasks() -> int:
    return len(asyncio.all_tasks())


def test_past_the_queue_is_429_for_streams_too() -> None:
    with serving(Scripted(slots=1, queue=1)) as served, socket.create_connection(place(served)) as first:
        first.sendall(said(FOREVER, stream=True))
        assert first.recv(1000).startswith(b"HTTP/1.1 200")
        with socket.create_connection(place(served)) as second:
            second.sendall(said("x"))
            until(lambda: served.backend.waiting == 1)
            for stream in (False, True):
                answer = httpx.post(served.url + CHAT, json=asked(stream=stream))
                assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
                assert answer.json()["error"]["code"] == "queue_full"
            before = len(served.backend.requests)
            refused = httpx.post(served.url + CHAT, json=asked())
            assert refused.status_code == 429 and len(served.backend.requests) == before
            many = httpx.post(served.url + CHAT, json=asked(n=3))
            assert many.status_code == 429 and served.backend.waiting == 1
        until(lambda: served.backend.waiting == 0)
        before = len(served.backend.requests)
        client = openai.OpenAI(base_url=served.url + "/v1", api_key="none", max_retries=0, timeout=0.2)
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "x"}])
        until(lambda: served.backend.waiting == 0)
        assert len(served.backend.requests) == before + 1


def test_a_stop_finishes_what_runs() -> None:
    with serving(Scripted(), Limits(grace=60)) as served, httpx.Client(base_url=served.url) as client:
        with client.stream("POST", CHAT, json=asked(FOREVER, stream=True)) as running:
            lines = running.iter_lines()
            assert next(lines).startswith("data: ")
            served.server.handle_exit(signal.SIGTERM, None)
            health = httpx.get(served.url + "/health")
            assert (health.status_code, health.json()["status"]) == (503, "draining")
            refused = httpx.post(served.url + CHAT, json=asked())
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
            served.loop.call_soon_threadsafe(served.backend.stopping.set)  # as if the grace were over
            last = [line for line in lines if line][-1]
        assert "the server is stopping" in json.loads(last.removeprefix("data: "))["error"]["message"]
        served.thread.join(20)
        assert not served.thread.is_alive() and served.backend.closed == [60]


def test_a_stop_waits_for_an_answer_that_ends_in_time() -> None:
    with serving(Scripted(slots=1)) as served, socket.create_connection(place(served)) as blocking:
        blocking.sendall(said(FOREVER, stream=True))
        assert blocking.recv(1000).startswith(b"HTTP/1.1 200")
        with socket.create_connection(place(served)) as waiting:
            waiting.sendall(said("to the end"))
            until(lambda: served.backend.waiting == 1)
            served.server.handle_exit(signal.SIGTERM, None)
            blocking.close()
            told = b""
            while piece := waiting.recv(65536):
                told += piece
        assert told.startswith(b"HTTP/1.1 200") and b"dne eht ot" in told
        served.thread.join(20)
        assert not served.thread.is_alive()


def test_the_page_is_any_file_of_its_folder_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>it</title>", encoding="utf-8")
    (folder / "page.js").write_text("let a", encoding="utf-8")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (folder / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(api, "PAGE", folder)
    with serving(Scripted(), key="key") as served:
        page = httpx.get(served.url + "/")
        assert page.status_code == 200 and "script-src 'self'" in page.headers["content-security-policy"]
        script = httpx.get(served.url + "/page.js")
        assert script.text == "let a" and script.headers["content-type"].startswith("text/javascript")
        for path in ("/../secret", "/%2e%2e/secret", "/link", "/nothing", "/v1/nothing"):
            answer = httpx.get(served.url + path, headers={"authorization": "Bearer key"})
            assert answer.status_code == 404 and "error" in answer.json()
