"""Who may ask, how much and for how long: over real sockets, since that is where it is decided."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lapis.serve.faults import Fault
from lapis.serve.gate import check_depth, host_of
from lapis.serve.limits import Limits
from tests.serve.scripted import FOREVER, Scripted, Served, data_uri, png, serving
from tests.waiting import until

CHAT = "/v1/chat/completions"
KEY = "a long key"
SMALL = Limits(
    body=100_000,
    bodies=150_000,
    connections=8,
    head_seconds=0.3,
    body_seconds=0.3,
    seconds=0.5,
    names=frozenset({"lapis.example"}),
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(Scripted(), SMALL, KEY) as found:
        yield found


def asked(content: str = "x", **fields: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": content}], **fields}


def knock(served: Served, path: str = CHAT, **said: str) -> httpx.Response:
    headers = httpx.Headers({"authorization": f"Bearer {KEY}", **said}, encoding="utf-8")
    if path == CHAT:
        return httpx.post(served.url + path, json=asked(), headers=headers)
    return httpx.get(served.url + path, headers=headers)


def raw(served: Served, *pieces: bytes, patience: float = 10.0) -> bytes:
    """What comes back for bytes, until the server closes; b"" where it closes without a word."""
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=patience) as line:
        for piece in pieces:
            try:
                line.sendall(piece)
            except OSError:
                break
        told = b""
        try:
            while piece := line.recv(65536):
                told += piece
        except ConnectionError:
            pass
        return told


def head(*lines: str, path: str = CHAT) -> bytes:
    first = (f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}")
    return "\r\n".join((*first, "Content-Type: application/json", *lines, "", "")).encode()


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/metrics"])
@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer é"])
def test_without_the_key_nothing_private_is_told(served: Served, path: str, key: str) -> None:
    answer = knock(served, path, authorization=key)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "authentication_error"


def test_with_the_key_all_is_and_health_is_open(served: Served) -> None:
    assert [knock(served, path).status_code for path in (CHAT, "/v1/models", "/metrics")] == [200, 200, 200]
    assert knock(served, "/health", authorization="").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""])
def test_a_name_that_was_rebound_here_is_refused(served: Served, host: str) -> None:
    for path in (CHAT, "/health"):
        assert knock(served, path, host=host).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "10.0.0.7", "lapis.example:99"])
def test_its_own_names_are_not(served: Served, host: str) -> None:
    assert knock(served, "/health", host=host).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1"])
def test_pages_of_other_sites_may_not_ask(served: Served, origin: str) -> None:
    answer = knock(served, origin=origin)
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "wrong_origin"
    assert knock(served, origin=served.url).status_code == 200


def test_every_answer_has_the_headers_that_bind_a_browser(served: Served) -> None:
    for answer in (knock(served), knock(served, "/health"), knock(served, "/nothing"), knock(served, host="evil")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert not {name for name in answer.headers if name.startswith("access-control")}
        assert "server" not in answer.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read_as_json(served: Served, kind: str) -> None:
    headers = {"authorization": f"Bearer {KEY}", "content-type": kind}
    answer = httpx.post(served.url + CHAT, content=json.dumps(asked()).encode(), headers=headers)
    assert answer.status_code == 415


def test_a_body_that_is_told_to_be_too_large_is_not_read(served: Served) -> None:
    told = raw(served, head("Content-Length: 100001", "Connection: close"))
    assert told.startswith(b"HTTP/1.1 413") and b"larger than 100000 bytes" in told


def test_a_chunked_body_is_counted_while_it_is_read(served: Served) -> None:
    piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    told = raw(served, head("Transfer-Encoding: chunked", "Connection: close"), *[piece] * 4)
    assert told.startswith(b"HTTP/1.1 413")
    assert served.server.service.desk.held == 0


def test_all_bodies_together_are_bounded(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as first:
        first.sendall(head("Content-Length: 90000") + b" " * 80_000)
        until(lambda: served.server.service.desk.held == 80_000)
        told = raw(served, head("Content-Length: 90000", "Connection: close") + b" " * 80_000)
    assert told.startswith(b"HTTP/1.1 429") and b"retry-after: 1" in told.lower()
    until(lambda: served.server.service.desk.held == 0)


def test_a_body_that_never_comes_ends(served: Served) -> None:
    assert raw(served, head("Content-Length: 50") + b"{").startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("sent", [b"", b"POST /v1", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "])
def test_a_head_that_never_comes_ends(served: Served, sent: bytes) -> None:
    assert raw(served, sent) == b""


def test_a_head_that_never_comes_ends_on_a_used_connection_too(served: Served) -> None:
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    told = raw(served, whole, b"GET /health HTTP/1.1\r\n")
    assert told.startswith(b"HTTP/1.1 200") and told.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("sent", [b"\x00\xff\r\n\r\n", b"GET / FTP/1.1\r\n\r\n", b"G" * 200_000])
def test_what_is_no_http_is_refused(served: Served, sent: bytes) -> None:
    assert raw(served, sent)[:12] in (b"HTTP/1.1 400", b"")


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_takes_too_long_is_cancelled(served: Served, stream: bool) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    answer = httpx.post(served.url + CHAT, json=asked(FOREVER, stream=stream), headers=headers)
    assert answer.status_code == (200 if stream else 504)
    last = answer.text.strip().split("\n\n")[-1].removeprefix("data: ")
    assert json.loads(last)["error"]["code"] == "timeout"
    until(lambda: served.backend.live == 0)


def test_connections_are_bounded(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    lines = [socket.create_connection((host, int(port))) for _ in range(SMALL.connections)]
    try:
        until(lambda: len(served.server.server_state.connections) >= SMALL.connections)
        told = raw(served)
        assert told.startswith(b"HTTP/1.1 503") and b"too_many_connections" in told
    finally:
        for line in lines:
            line.close()
    until(lambda: not served.server.server_state.connections)
    assert knock(served).status_code == 200


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 33, True),
        (b'{"a":' * 33, True),
        (b"[" * 10_000_000, True),
        (b"[]" * 10_000_000, True),
        (b'"' + b'\\"' * 5_000_000 + b"[" * 100, False),
        (b'"' + b"[" * 100 + b'"', False),
        (b'"\\\\"' + b"[" * 33, True),
        (b'"\\', False),
        (b"[" * 32 + b"]" * 32, False),
        (b"", False),
    ],
)
def test_depth_is_judged_before_parsing(body: bytes, deep: bool) -> None:
    if deep:
        with pytest.raises(Fault):
            check_depth(body, 32)
    else:
        check_depth(body, 32)


def test_a_picture_may_fill_a_body(served: Served) -> None:
    parts = [{"type": "image_url", "image_url": {"url": data_uri(png())}}]
    body = {"model": "scripted", "messages": [{"role": "user", "content": parts}]}
    assert httpx.post(served.url + CHAT, json=body, headers={"authorization": f"Bearer {KEY}"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "name"), [("A.b:1", "a.b"), ("[::1]:80", "::1"), ("[::1", "::1"), ("::1", ""), ("", ""), ("h", "h")]
)
def test_names_of_hosts(host: str, name: str) -> None:
    assert host_of(host) == name
