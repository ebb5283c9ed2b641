"""Requests and pictures for tests of engines."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image as Picture

from lapis.types import Image, Request, Text, Turn


def ask(*parts: str | Image, **fields: Any) -> Request:
    turn = Turn("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))
    return Request((turn,), **{"max_tokens": 12, "reserve": 2, **fields})


def picture(red: int, width: int = 60, height: int = 50) -> Image:
    out = io.BytesIO()
    canvas = Picture.new("RGB", (width, height), (red, 40, 90))
    canvas.paste((250 - red, 0, red), (5, 5, 25, 35))
    canvas.save(out, "PNG")
    return Image(out.getvalue(), width, height)
