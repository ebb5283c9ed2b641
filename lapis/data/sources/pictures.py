"""Bytes of a picture: an Image with its size, or the reason why it is none.

A picture is refused before it is decoded where its size is too large, and decoded once to see that it is whole.
PNG, JPEG and WebP stay byte by byte as they are; GIF, BMP and TIFF, which samples do not hold, become PNG.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings

from PIL import Image as Pixels

from lapis.data.sources.base import Bad
from lapis.data.sources.lines import LONGEST
from lapis.model.anyres import MAX_PIXELS
from lapis.types import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
LONGEST_SIDE = 32_768
_KEPT = ("PNG", "JPEG", "WEBP")
_CLAIMS = {"jpg": "JPEG", "tif": "TIFF", "webp": "WEBP", "x-ms-bmp": "BMP"}
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"BM"), "BMP"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF"),
)
_DATA = re.compile(r"data:image/([\w.+-]+);base64,", re.IGNORECASE)


def picture(data: bytes, claim: str = "") -> Image:
    """A picture that is whole. Raises Bad with the reason where it is none.

    `claim` is the ending of its name, or the media type, where it has one: a picture that is something else lies.
    """
    if len(data) > LONGEST:
        raise Bad("too long")
    name = next((name for magic, name in _MAGIC if magic.match(data)), "")
    if not name:
        raise Bad("no picture")
    told = claim.rpartition(".")[2].lower()
    if told and f".{told}" in ENDINGS and _CLAIMS.get(told, told.upper()) != name:
        raise Bad("picture of another format than its name")
    return _whole(data, name)


def of_url(url: str) -> Image:
    """The picture of a data URI. Raises Bad where it is another address, and like `picture`."""
    head = _DATA.match(url)
    if head is None:
        raise Bad("picture is remote" if re.match(r"[a-z]+://", url, re.IGNORECASE) else "no picture")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise Bad("no picture") from None
    return picture(data, head[1])


def is_url(name: str) -> bool:
    """Whether a picture's name is no name of a file."""
    return name.startswith("data:") or "://" in name[:10]


def _whole(data: bytes, name: str) -> Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pixels.open(io.BytesIO(data), formats=[name]) as opened:
                wide, high = opened.size
                if wide * high > MAX_PIXELS or max(wide, high) > LONGEST_SIDE:
                    raise Bad("too many pixels")
                opened.load()
                return Image(data if name in _KEPT else _png(opened), wide, high)
    except Bad:
        raise
    except Pixels.DecompressionBombError:
        raise Bad("too many pixels") from None
    except Pixels.UnidentifiedImageError:
        raise Bad("picture of another format than its first bytes") from None
    except Exception:  # Pillow's plugins raise nothing narrower for damaged files
        raise Bad("damaged picture") from None


def _png(opened: Pixels.Image) -> bytes:
    out = io.BytesIO()
    opened.convert("RGBA" if "transparency" in opened.info or opened.mode in ("RGBA", "LA") else "RGB").save(out, "PNG")
    return out.getvalue()
