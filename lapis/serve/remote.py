"""Remote pictures, fetched only from hosts that were allowed at the start, and never from inside a network.

A host is resolved here, every address that it has must be a public one, and the connection goes to the address that was
looked at: a name that resolves to something else a moment later (DNS rebinding) gains nothing. Each redirect is judged
like the first URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import httpx

from lapis.serve.faults import Fault
from lapis.serve.limits import Limits

Resolve = Callable[[str], Awaitable[list[str]]]
"""A host's addresses. Raises OSError where it has none."""
PORTS = {"http": 80, "https": 443}
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (NAT64)."""


async def resolve(host: str) -> list[str]:
    """By the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Whether an address is of the open internet: not private, loopback, link-local, multicast or reserved."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


class Remote:
    """Fetches pictures of allowed hosts. `transport` and `resolve` are for tests."""

    def __init__(self, limits: Limits, transport: httpx.AsyncBaseTransport | None = None, resolve: Resolve = resolve):
        self._limits, self._transport, self._resolve = limits, transport, resolve

    async def fetch(self, url: str) -> bytes:
        """Bytes behind a URL. Raises Fault (400 for a URL that may not be asked, 422 for one that gives nothing)."""
        try:
            async with asyncio.timeout(self._limits.fetch_seconds), self._client() as client:
                for _ in range(self._limits.redirects + 1):
                    found = await self._one(client, url)
                    if isinstance(found, bytes):
                        return found
                    url = urljoin(url, found)
        except TimeoutError:
            raise _failed(f"took longer than {self._limits.fetch_seconds:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise _failed(f"cannot be fetched ({type(error).__name__})") from None
        raise _failed(f"redirected more than {self._limits.redirects} times")

    def _client(self) -> httpx.AsyncClient:
        headers = {"accept": "image/png, image/jpeg, image/webp", "accept-encoding": "identity"}
        return httpx.AsyncClient(transport=self._transport, trust_env=False, headers=headers)

    async def _one(self, client: httpx.AsyncClient, url: str) -> bytes | str:
        """The picture, or the place that it moved to."""
        where = self._judged(url)
        address = await self._public(where.host)
        pinned = where.copy_with(host=address, fragment=None)
        headers = {"host": where.netloc.decode()}
        extensions = {"sni_hostname": where.host}
        async with client.stream("GET", pinned, headers=headers, extensions=extensions) as answer:
            if answer.is_redirect:
                return answer.headers.get("location", "")
            if answer.status_code != 200:
                raise _failed(f"its host answered {answer.status_code}")
            return await self._body(answer)

    def _judged(self, url: str) -> httpx.URL:
        """The URL, where it is of an allowed host and the usual port."""
        try:
            where = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise _not_allowed("is no URL") from None
        if where.scheme not in PORTS or where.userinfo:
            raise _not_allowed("expected a data URI, lapis://ID, or http(s)")
        if where.host not in self._limits.fetch_hosts or where.port not in (None, PORTS[where.scheme]):
            raise _not_allowed("of a host that this server may not ask")
        return where

    async def _public(self, host: str) -> str:
        """The address to connect to."""
        addresses = await self._resolve(host)
        if not addresses or not all(map(is_public, addresses)):
            raise _not_allowed("of a host inside a network")
        return addresses[0]

    async def _body(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        async for piece in answer.aiter_raw():
            data += piece
            if len(data) > self._limits.fetch_bytes:
                raise _failed(f"larger than {self._limits.fetch_bytes} bytes")
        return bytes(data)


def _not_allowed(why: str) -> Fault:
    return Fault(400, f"image_url: {why}", "image_url", "url_not_allowed")


def _failed(why: str) -> Fault:
    return Fault(422, f"image_url: {why}", "image_url", "invalid_image")
