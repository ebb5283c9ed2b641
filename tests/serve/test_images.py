"""Pictures: data URIs, ones uploaded ahead, and remote ones, which may never come from inside a network."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lapis.serve.faults import Fault
from lapis.serve.images import Store
from lapis.serve.limits import Limits
from lapis.serve.remote import Remote, is_public
from lapis.types import Image
from tests.serve.scripted import Scripted, Served, data_uri, png, serving

PUBLIC = "93.184.215.14"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(Scripted()) as found:
        yield found


def show(served: Served, url: str) -> httpx.Response:
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "what?"}]
    asked = {"model": "scripted", "messages": [{"role": "user", "content": parts}]}
    return httpx.post(served.url + "/v1/chat/completions", json=asked)


def test_an_upload_is_encoded_ahead_and_shown_by_its_id(served: Served) -> None:
    data = png(77)
    sent = httpx.post(served.url + "/v1/images", content=data, headers={"content-type": "image/png"}).json()
    assert sent["id"] == hashlib.sha256(data).hexdigest() and sent["url"] == "lapis://" + sent["id"]
    assert (sent["width"], sent["height"], sent["tiles"]) == (40, 30, 3)
    assert served.backend.prepared == [Image(data, 40, 30)]
    assert show(served, sent["url"]).status_code == 200
    assert served.backend.requests[-1].turns[0].images == (Image(data, 40, 30),)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("lapis://" + "0" * 64, 404),
        ("data:image/png;base64,AAAA", 422),
        ("data:image/png;base64," + "%%%", 422),
        (data_uri(png())[:-9], 422),
        (data_uri(png()[:60]), 422),
        ("data:image/png," + "x", 422),
        ("http://example.com/a.png", 400),
        ("file:///etc/passwd", 400),
        ("http://[", 400),
        ("", 400),
    ],
)
def test_what_is_no_picture_is_refused(served: Served, url: str, status: int) -> None:
    answer = show(served, url)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, "image_url")


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [("text/plain", png(), 415), ("image/png", b"", 422), ("image/png", b"%!PS-Adobe-3.0 EPSF-3.0\n", 422)],
)
def test_uploads_are_pictures_only(served: Served, kind: str, data: bytes, status: int) -> None:
    answer = httpx.post(served.url + "/v1/images", content=data, headers={"content-type": kind})
    assert answer.status_code == status and "error" in answer.json()


def test_the_store_is_bounded_and_forgets_what_is_not_used() -> None:
    images = [Image(bytes([number]) * 10, 1, 1) for number in range(4)]
    store = Store(count=3, size=1000)
    names = [store.add(image) for image in images[:3]]
    assert store.get(names[0]) == images[0]
    store.add(images[3])
    assert [known(store, name) for name in names] == [True, False, True]
    small = Store(count=10, size=25)
    names = [small.add(image) for image in images]
    small.add(images[3])
    assert [known(small, name) for name in names] == [False, False, True, True]


def known(store: Store, name: str) -> bool:
    try:
        store.get(name)
    except Fault as fault:
        assert fault.status == 404
        return False
    return True


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "no address",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    ],
)  # fmt: skip
def test_addresses_inside_a_network(address: str) -> None:
    assert not is_public(address)


class Web:
    """A web of scripted hosts. `asked` are the URLs that were connected to, with the Host that was said."""

    def __init__(self, names: dict[str, list[str]], pages: dict[str, httpx.Response]):
        self.names, self.pages = names, pages
        self.asked: list[tuple[str, str]] = []

    async def resolve(self, host: str) -> list[str]:
        if host not in self.names:
            raise OSError("no such host")
        return self.names[host]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((str(request.url), request.headers["host"]))
        assert request.extensions["sni_hostname"] == request.headers["host"]
        return self.pages[request.url.path]

    def fetch(self, url: str, **limits: Any) -> bytes:
        found = Limits(fetch_hosts=frozenset(self.names), **limits)
        return asyncio.run(Remote(found, httpx.MockTransport(self.answer), self.resolve).fetch(url))


def page(data: bytes) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(data))


def moved(place: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": place})


def test_an_allowed_host_is_asked_at_the_address_that_was_judged() -> None:
    web = Web({"pictures.example": [PUBLIC]}, {"/a.png": page(png())})
    assert web.fetch("https://pictures.example/a.png#part") == png()
    assert web.asked == [(f"https://{PUBLIC}/a.png", "pictures.example")]


def test_a_redirect_is_followed_on_allowed_hosts_only() -> None:
    names = {"pictures.example": [PUBLIC], "other.example": ["1.1.1.1"], "inside.example": ["10.0.0.5"]}
    pages = {
        "/good": moved("https://other.example/a.png"),
        "/a.png": page(png()),
        "/private": moved("http://inside.example/a.png"),
        "/literal": moved("http://127.0.0.1/a.png"),
        "/unknown": moved("https://third.example/a.png"),
        "/file": moved("file:///etc/passwd"),
        "/round": moved("/round"),
    }
    web = Web(names, pages)
    assert web.fetch("https://pictures.example/good") == png()
    for path in ("private", "literal", "unknown", "file"):
        web.asked.clear()
        with pytest.raises(Fault) as caught:
            web.fetch(f"https://pictures.example/{path}")
        assert caught.value.status == 400 and len(web.asked) == 1
    web.asked.clear()
    with pytest.raises(Fault) as caught:
        web.fetch("https://pictures.example/round")
    assert caught.value.status == 422 and len(web.asked) == 1 + Limits().redirects


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "192.168.0.9"], ["::1"], []])
def test_a_name_of_a_private_address_is_never_connected_to(addresses: list[str]) -> None:
    web = Web({"pictures.example": addresses}, {"/": page(png())})
    with pytest.raises(Fault) as caught:
        web.fetch("https://pictures.example/")
    assert caught.value.status == 400 and web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://stranger.example/", "https://127.0.0.1/", "http://localhost/", "ftp://pictures.example/",
        "https://pictures.example:8443/", "https://me:word@pictures.example/", "//pictures.example/", "https://",
        "https://pictures.example.evil.example/", "https://pictures.example@evil.example/",
    ],
)  # fmt: skip
def test_other_urls_are_not_asked(url: str) -> None:
    web = Web({"pictures.example": [PUBLIC]}, {})
    with pytest.raises(Fault) as caught:
        web.fetch(url)
    assert caught.value.status == 400 and web.asked == []


def test_a_remote_picture_has_a_size_a_time_and_an_answer() -> None:
    async def slow(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    web = Web({"pictures.example": [PUBLIC]}, {"/big": page(b"x" * 101)})
    web.pages["/gone"] = httpx.Response(404)
    for path in ("big", "gone"):
        with pytest.raises(Fault) as caught:
            web.fetch(f"https://pictures.example/{path}", fetch_bytes=100)
        assert caught.value.status == 422
    limits = Limits(fetch_hosts=frozenset({"pictures.example"}), fetch_seconds=0.01)
    with pytest.raises(Fault) as caught:
        asyncio.run(Remote(limits, resolve=slow).fetch("https://pictures.example/"))
    assert caught.value.status == 422
