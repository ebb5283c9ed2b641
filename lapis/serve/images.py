"""Pictures of a conversation: data URIs, ones that were uploaded ahead, and remote ones from hosts that are allowed.

What a picture is, its first bytes say; only PNG, JPEG and WebP ever reach a decoder. Decoding happens in threads, a few
at a time, so that memory is bounded and streams go on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections import OrderedDict
from urllib.parse import unquote_to_bytes

from lapis.model import anyres
from lapis.serve.faults import Fault
from lapis.serve.limits import Limits
from lapis.serve.remote import Remote
from lapis.types import Image, InputError

KEPT = "lapis://"
"""What the URL of an uploaded image begins with."""
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


class Store:
    """Images that were uploaded ahead, by the SHA-256 of their bytes; the one not used for longest goes first."""

    def __init__(self, count: int, size: int):
        self._count, self._room = count, size
        self._images: OrderedDict[str, Image] = OrderedDict()

    def add(self, image: Image) -> str:
        """Keep an image; returns its id."""
        name = hashlib.sha256(image.data).hexdigest()
        if name not in self._images:
            self._room -= len(image.data)
        self._images[name] = image
        self._images.move_to_end(name)
        while len(self._images) > self._count or (self._room < 0 and len(self._images) > 1):
            self._room += len(self._images.popitem(last=False)[1].data)
        return name

    def get(self, name: str) -> Image:
        """The image of an id. Raises Fault (404) where it is not there, or no longer."""
        if name not in self._images:
            raise Fault(404, "image: not here, or no longer; upload it again", "image_url", "image_not_found")
        self._images.move_to_end(name)
        return self._images[name]


class Images:
    """Where the pictures of requests come from."""

    def __init__(self, limits: Limits, remote: Remote):
        self.store = Store(limits.kept_images, limits.kept_bytes)
        self._remote = remote
        self._turn = asyncio.Semaphore(limits.decoding)

    async def of(self, url: str) -> Image:
        """The picture of an `image_url`. Raises Fault where there is none that may be shown."""
        if url.startswith(KEPT):
            return self.store.get(url.removeprefix(KEPT))
        if url.startswith("data:"):
            return await self.decoded(data_of(url))
        async with self._turn:
            data = await self._remote.fetch(url)
        return await self.decoded(data)

    async def decoded(self, data: bytes) -> Image:
        """A picture that was decoded once, so that no engine meets a broken one. Raises Fault (422)."""
        if not is_picture(data):
            raise Fault(422, "image: expected PNG, JPEG or WebP", "image_url", "invalid_image")
        async with self._turn:
            try:
                return await asyncio.to_thread(anyres.image_of, data)
            except InputError as error:
                raise Fault(422, str(error), "image_url", "invalid_image") from None


def is_picture(data: bytes) -> bool:
    """Whether bytes begin as one of the three formats does."""
    return data.startswith(MAGIC) and (not data.startswith(b"RIFF") or data[8:12] == b"WEBP")


def data_of(url: str) -> bytes:
    """Bytes of a data URI. Raises Fault (422) where it is cut short or no base64."""
    head, comma, body = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise Fault(422, "image_url: expected data:image/png;base64,... or the like", "image_url", "invalid_image")
    try:
        return base64.b64decode(unquote_to_bytes(body) if "%" in body else body, validate=True)
    except (binascii.Error, ValueError):
        raise Fault(422, "image_url: its base64 is broken", "image_url", "invalid_image") from None
