"""What the small corpora are made of: texts, pictures whole and broken, and a good and a bad record's order."""

from __future__ import annotations

import base64
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image as Pixels

from lapis.data.sources.base import Broken, Form, Origin
from lapis.types import Sample
from tests.data import world

ORIGIN = Origin("web", "prose", "CC0-1.0")
WORDS = (
    "a lamp",
    "das Café",
    "天空是蓝色的",
    "emoji 🙂",
    'tab\tand "quotes"',
    "comma, semicolon; \\n",
    "two\nlines\n\nmore",
)


@dataclass
class Corpus:
    """Where it lies, the payload of each good record in order, and place and reason of each broken one."""

    place: Path
    good: list[Any] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)


Maker = Callable[[Path, random.Random], Corpus]


def read(form: Form, place: Path, origin: Origin = ORIGIN) -> tuple[list[Sample], list[Broken]]:
    """All samples and all that is broken of a place."""
    found = [one for part in form.slices(place) for one in form.read(part, origin)]
    assert all(isinstance(one, Sample | Broken) for one in found)
    return [one for one in found if isinstance(one, Sample)], [one for one in found if isinstance(one, Broken)]


def text(rng: random.Random) -> str:
    return f"{rng.choice(WORDS)} {rng.randrange(10**9)} {' '.join(rng.choices(world.ENGLISH, k=rng.randrange(3, 30)))}"


def mixed(rng: random.Random, good: Iterable[Any], bad: Iterable[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """(record, why it is none or nothing), the order drawn; good ones keep theirs."""
    goods, bads = list(good), list(bad)
    order = [True] * len(goods) + [False] * len(bads)
    rng.shuffle(order)
    rng.shuffle(bads)
    return [(goods.pop(0), "") if kind else bads.pop(0) for kind in order]


def told(rows: Iterable[tuple[Any, str]], place: str) -> list[tuple[str, str]]:
    """Place and reason of the broken ones among mixed records; `place` has their number, from 1, between braces."""
    return [(place.format(number), why) for number, (_, why) in enumerate(rows, 1) if why]


def png(rng: random.Random, width: int = 40, height: int = 30) -> bytes:
    return world.picture(rng, width, height).data


def encoded(form: str, width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Pixels.linear_gradient("L").resize((width, height)).convert("RGB").save(out, form)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of 400 megapixels in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def bad_pictures(rng: random.Random) -> dict[str, tuple[str, bytes]]:
    """Reason to (name, bytes) of a picture that is none."""
    whole = png(rng)
    return {
        "no picture": ("a.png", b"<html>no picture</html>"),
        "damaged picture": ("b.png", whole[: len(whole) // 2]),
        "picture of another format than its name": ("c.png", encoded("JPEG")),
        "too many pixels": ("d.png", bomb()),
        "picture of another format than its first bytes": ("e.png", b"\x89PNG\r\n\x1a\n" + encoded("JPEG")),
    }


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
